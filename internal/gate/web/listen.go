package web

import (
	"net"
	"net/netip"
	"sync"
)

// bounded is a listener that has no more than so many connections open, and so many from one network. What is beyond is closed at once: a queue would let one client keep all others waiting.
type bounded struct {
	net.Listener
	most, each int

	mu   sync.Mutex // guards what follows
	open int
	per  map[netip.Addr]int
}

func newBounded(l net.Listener, most, each int) *bounded {
	return &bounded{Listener: l, most: most, each: each, per: map[netip.Addr]int{}}
}

// Accept returns the next connection that there is room for.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := network(addressOf(c.RemoteAddr().String()))
		if b.admit(from) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { b.dismiss(from) })}, nil
		}
		_ = c.Close()
	}
}

func (b *bounded) admit(a netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open >= b.most || b.per[a] >= b.each {
		return false
	}
	b.open++
	b.per[a]++
	return true
}

func (b *bounded) dismiss(a netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.per[a]--; b.per[a] <= 0 {
		delete(b.per, a)
	}
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection and makes room for another.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}

// addressOf is the address of host:port, as the record knows it; the zero address when it is none.
func addressOf(hostport string) netip.Addr {
	a, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

// network is what counts as one address: a /64 of IPv6 is what one customer gets, and one machine can come from any address of it.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(64) // fails for no IPv6 address
	return p.Addr()
}
