package pgtest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A Proxy stands between a program and a server, and does what networks do. Its
// methods may be called concurrently.
type Proxy struct {
	url      string
	listener net.Listener
	target   string
	closed   chan struct{}

	mu     sync.Mutex
	flow   chan struct{} // closed while data pass
	refuse bool
	delay  time.Duration
	conns  map[net.Conn]bool
	sent   func(data []byte) Verdict // what becomes of what a client sends; nil: all passes
	ended  sync.WaitGroup
}

// A Verdict says what becomes of data that a client sends.
type Verdict int

// The verdicts.
const (
	Pass   Verdict = iota
	Freeze         // it does not pass, nor does anything of this connection from now on
	HangUp         // it passes, but the connection ends before an answer does
)

// NewProxy returns a proxy for the server of a URL. It ends with the test.
func NewProxy(t testing.TB, serverURL string) *Proxy {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal("the URL of the server cannot be parsed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	p := &Proxy{
		listener: l, target: u.Host, closed: make(chan struct{}),
		flow: make(chan struct{}), conns: map[net.Conn]bool{},
	}
	close(p.flow)
	p.ended.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		close(p.closed)
		p.Heal()
		p.HangUp()
		p.ended.Wait()
	})
	u.Host = l.Addr().String()
	p.url = u.String()
	return p
}

// URL returns the URL to use in the place of that of the server.
func (p *Proxy) URL() string { return p.url }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.refuses() {
			reset(client)
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			reset(client)
			continue
		}
		frozen := make(chan struct{})
		both := func() {
			select {
			case <-frozen: // neither side hears of the other's end
				return
			default:
			}
			_, _ = client.Close(), server.Close()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.conns, client)
			delete(p.conns, server)
		}
		p.mu.Lock()
		late := p.refuse
		if !late {
			p.conns[client], p.conns[server] = true, true
		}
		p.mu.Unlock()
		if late {
			reset(client)
			reset(server)
			continue
		}
		p.ended.Go(func() { defer both(); p.forward(server, client, frozen, true) })
		p.ended.Go(func() { defer both(); p.forward(client, server, frozen, false) })
	}
}

func (p *Proxy) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refuse
}

// reset ends a connection so that the other side gets an error, and no end.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// forward passes data on until one side ends.
func (p *Proxy) forward(to io.Writer, from net.Conn, frozen chan struct{}, fromClient bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		flow, sent, delay := p.flow, p.sent, p.delay
		p.mu.Unlock()
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-p.closed:
				return
			}
		}
		<-flow
		select {
		case <-frozen:
			continue
		default:
		}
		v := Pass
		if fromClient && sent != nil {
			v = sent(buffer[:n])
		}
		if v == Freeze {
			close(frozen)
			continue
		}
		if v == HangUp { // so that no answer comes through
			p.mu.Lock()
			_ = from.Close()
			p.mu.Unlock()
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
		if v == HangUp {
			// The server reads what was sent before it sees the end.
			if half, ok := to.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			return
		}
	}
}

// Swallow stops everything, as a network does that lost its way: connections are
// taken, nothing passes, and nobody is told.
func (p *Proxy) Swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow:
		p.flow = make(chan struct{})
	default:
	}
}

// Refuse resets all connections, and from now on each new one.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = true
	for c := range p.conns {
		reset(c)
	}
}

// Slow keeps what is sent in either direction back for d, at the least.
func (p *Proxy) Slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Heal ends what Swallow, Refuse and Slow began. What came meanwhile passes too.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse, p.delay = false, 0
	select {
	case <-p.flow:
	default:
		close(p.flow)
	}
}

// HangUp ends all connections.
func (p *Proxy) HangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Watch lets f decide about what clients send from now on; nil: all passes.
func (p *Proxy) Watch(f func(data []byte) Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = f
}
