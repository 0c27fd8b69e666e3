package web

import "time"

// RouteForTest is a route, for tests that walk all of them.
type RouteForTest struct {
	Method, Pattern string
	Open            bool
}

// RoutesForTest are all routes of a server.
func (s *Server) RoutesForTest() []RouteForTest {
	var out []RouteForTest
	for _, r := range s.routes.list {
		out = append(out, RouteForTest{Method: r.method, Pattern: r.pattern, Open: r.open})
	}
	return out
}

// PatienceForTest changes how long Close waits for requests that have been told to end.
func (s *Server) PatienceForTest(d time.Duration) { s.patience = d }

// The parts that have tables or fuzz tests of their own.
var (
	ReturnPathForTest = returnPath
	BoundedForTest    = newBounded
	LengthTextForTest = lengthText
	DurationForTest   = duration
	BytesForTest      = bytesText
)

// Sentence is what stands by itself of a fault's text.
func Sentence(s string) string { return sentence(s) }
