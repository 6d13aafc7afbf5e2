package pgstore_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A proxy stands between a program and a server, and does what networks do.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	flow  chan struct{} // closed while the network works
	conns map[net.Conn]bool
	sent  func(data []byte) verdict // what becomes of what a client sends; nil: all passes
	ended sync.WaitGroup
}

type verdict int

const (
	pass   verdict = iota
	freeze         // it does not pass, nor does anything of this connection from now on
	hangUp         // it passes, but the connection ends before an answer does
)

// newProxy returns a proxy for a server, and the URL to use.
func newProxy(t testing.TB, serverURL string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(serverURL)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, target: u.Host, flow: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.flow)
	p.ended.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.heal()
		p.hangUp()
		p.ended.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
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
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.ended.Go(func() { defer both(); p.forward(server, client, frozen, true) })
		p.ended.Go(func() { defer both(); p.forward(client, server, frozen, false) })
	}
}

// forward passes data on until one side ends.
func (p *proxy) forward(to io.Writer, from net.Conn, frozen chan struct{}, fromClient bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		flow, sent := p.flow, p.sent
		p.mu.Unlock()
		<-flow
		select {
		case <-frozen:
			continue
		default:
		}
		v := pass
		if fromClient && sent != nil {
			v = sent(buffer[:n])
		}
		if v == freeze {
			close(frozen)
			continue
		}
		if v == hangUp { // so that no answer comes through
			p.mu.Lock()
			_ = from.Close()
			p.mu.Unlock()
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
		if v == hangUp {
			// The server reads what was sent before it sees the end.
			if half, ok := to.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			return
		}
	}
}

// cut stops everything, as a network does that lost its way: nobody is told.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flow = make(chan struct{})
}

// heal lets everything through again, also what came meanwhile.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow:
	default:
		close(p.flow)
	}
}

// hangUp ends all connections.
func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// watch lets f decide about what clients send from now on.
func (p *proxy) watch(f func(data []byte) verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = f
}
