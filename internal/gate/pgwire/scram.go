package pgwire

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// The mechanisms that are offered, the stronger first.
const (
	mechanismPlus  = "SCRAM-SHA-256-PLUS"
	mechanismPlain = "SCRAM-SHA-256"
	bindingType    = "tls-server-end-point"
)

// EndPointHash is the channel binding of a server's certificate (RFC 5929, tls-server-end-point): its hash under its own signature's hash function, SHA-256 where that is MD5 or SHA-1. It is nil
// for signatures without a hash function of their own (Ed25519), for which clients have no such binding either.
func EndPointHash(c *x509.Certificate) []byte {
	switch c.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h := sha512.Sum384(c.Raw)
		return h[:]
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h := sha512.Sum512(c.Raw)
		return h[:]
	case x509.PureEd25519, x509.UnknownSignatureAlgorithm:
		return nil
	default:
		h := sha256.Sum256(c.Raw)
		return h[:]
	}
}

// scram is the server's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677).
type scram struct {
	verifier  Verifier
	bindingOf []byte // nil: channel binding is not offered
	nonce     string // the server's part
	plus      bool

	header      string // gs2: what the client said of channel binding, which its second message must repeat
	clientFirst string // without the header
	serverFirst string
	allNonce    string
}

// mechanisms are what the client may choose from.
func (s *scram) mechanisms() []string {
	if s.bindingOf == nil {
		return []string{mechanismPlain}
	}
	return []string{mechanismPlus, mechanismPlain}
}

func newScram(v Verifier, binding []byte) *scram {
	var n [18]byte
	_, _ = rand.Read(n[:]) // never fails
	return &scram{verifier: v, bindingOf: binding, nonce: base64.StdEncoding.EncodeToString(n[:])}
}

func malformed() error {
	return stated(fault.Invalid, "08P01", "the SCRAM message is malformed", "use a client that speaks SCRAM-SHA-256")
}

func noBinding(message string) error {
	return stated(fault.Refused, "28000", message, "somebody between client and server may be altering the connection: connect with sslmode=verify-full, and report it")
}

// first takes the client's first message and gives the server's.
func (s *scram) first(mechanism, message string) (string, error) {
	switch {
	case mechanism == mechanismPlus && s.bindingOf != nil:
		s.plus = true
	case mechanism == mechanismPlain:
	default:
		return "", stated(fault.Invalid, "08P01", "the client chose a way to sign in that was not offered", "use a client that speaks SCRAM-SHA-256")
	}
	flag, rest, ok := strings.Cut(message, ",")
	if !ok {
		return "", malformed()
	}
	authorization, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return "", malformed()
	}
	switch {
	case strings.HasPrefix(flag, "p="):
		if !s.plus || flag != "p="+bindingType {
			return "", noBinding("the client wants a channel binding that was not agreed")
		}
	case s.plus:
		return "", noBinding("the client chose channel binding and does not use it")
	case flag == "y":
		// The client could bind and believes that we cannot, although we said that we can: somebody took it out of our offer.
		if s.bindingOf != nil {
			return "", noBinding("the offer of channel binding did not reach the client")
		}
	case flag != "n":
		return "", malformed()
	}
	if authorization != "" {
		return "", stated(fault.Refused, "0A000", "nobody signs in on behalf of somebody else", "leave the authorization identity out")
	}
	// What remains must be n=…,r=…; the name is the start-up message's, whatever stands here (libpq sends none).
	name, nonce, ok := strings.Cut(bare, ",")
	if !ok || !strings.HasPrefix(name, "n=") || !strings.HasPrefix(nonce, "r=") {
		return "", malformed()
	}
	nonce, extensions, _ := strings.Cut(nonce[2:], ",")
	if !printable(nonce) || strings.HasPrefix(extensions, "m=") {
		return "", malformed()
	}
	s.header, s.clientFirst = flag+","+authorization+",", bare
	s.allNonce = nonce + s.nonce
	s.serverFirst = "r=" + s.allNonce + ",s=" + base64.StdEncoding.EncodeToString(s.verifier.Salt) + ",i=" + strconv.Itoa(s.verifier.Iterations)
	return s.serverFirst, nil
}

// final takes the client's second message. It gives the server's signature, and whether the password was proved; an error is a message that breaks the exchange's form.
func (s *scram) final(message string) (signature string, proved bool, err error) {
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return "", false, malformed()
	}
	withoutProof := message[:at]
	proof, err := base64.StdEncoding.DecodeString(message[at+3:])
	if err != nil || len(proof) != sha256.Size {
		return "", false, malformed()
	}
	channel, rest, ok := strings.Cut(withoutProof, ",")
	nonce, _, _ := strings.Cut(rest, ",")
	if !ok || !strings.HasPrefix(channel, "c=") || !strings.HasPrefix(nonce, "r=") {
		return "", false, malformed()
	}
	bound, err := base64.StdEncoding.DecodeString(channel[2:])
	if err != nil {
		return "", false, malformed()
	}
	want := []byte(s.header)
	if s.plus {
		want = append(want, s.bindingOf...)
	}
	if !bytes.Equal(bound, want) {
		return "", false, noBinding("the client is bound to another connection than this one")
	}
	if nonce[2:] != s.allNonce {
		return "", false, malformed()
	}
	auth := s.clientFirst + "," + s.serverFirst + "," + withoutProof
	key := mac(s.verifier.StoredKey, auth)
	subtle.XORBytes(key, key, proof)
	stored := sha256.Sum256(key)
	proved = subtle.ConstantTimeCompare(stored[:], s.verifier.StoredKey) == 1
	return "v=" + base64.StdEncoding.EncodeToString(mac(s.verifier.ServerKey, auth)), proved, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// printable says whether a nonce is one (RFC 5802: printable ASCII without the comma).
func printable(s string) bool {
	if s == "" || len(s) > 256 {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ',' {
			return false
		}
	}
	return true
}
