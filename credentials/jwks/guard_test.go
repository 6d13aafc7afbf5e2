package jwks

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"code.dny.dev/ssrf"
	"github.com/stretchr/testify/require"
)

func TestSecurity34TheGuardConnectsToPublicAddressesAlone(t *testing.T) {
	const (
		no       = 0
		loopback = 1 // where Allow.Loopback is, and Private
		private  = 2 // where Allow.Private is
		always   = 3
	)
	cases := map[string]struct {
		address string
		allowed int
	}{
		"public":                      {"1.1.1.1", always},
		"public IPv6":                 {"2606:4700:4700::1111", always},
		"loopback":                    {"127.0.0.1", loopback},
		"loopback elsewhere":          {"127.255.255.254", loopback},
		"IPv6 loopback":               {"::1", loopback},
		"10.0.0.0/8":                  {"10.255.255.255", private},
		"172.16.0.0/12":               {"172.31.255.255", private},
		"172.32.0.0 is public":        {"172.32.0.0", always},
		"192.168.0.0/16":              {"192.168.255.255", private},
		"unique local":                {"fd12:3456::1", private},
		"unspecified":                 {"0.0.0.0", no},
		"this network":                {"0.1.2.3", no},
		"IPv6 unspecified":            {"::", no},
		"link-local":                  {"169.254.1.1", no},
		"IPv6 link-local":             {"fe80::1", no},
		"IPv6 link-local with a zone": {"fe80::1%eth0", no},
		"site-local":                  {"fec0::1", no},
		"CGNAT":                       {"100.64.0.1", no},
		"the end of CGNAT":            {"100.127.255.255", no},
		"multicast":                   {"224.0.0.1", no},
		"the end of multicast":        {"239.255.255.255", no},
		"IPv6 multicast":              {"ff02::1", no},
		"broadcast":                   {"255.255.255.255", no},
		"reserved":                    {"240.0.0.1", no},
		"documentation 1":             {"192.0.2.1", no},
		"documentation 2":             {"198.51.100.1", no},
		"documentation 3":             {"203.0.113.1", no},
		"IPv6 documentation":          {"2001:db8::1", no},
		"IPv6 documentation, newer":   {"3fff::1", no},
		"benchmarking":                {"198.18.0.1", no},
		"IETF protocols":              {"192.0.0.1", no},
		"NAT64 of loopback":           {"64:ff9b::7f00:1", no},
		"NAT64 of what is public":     {"64:ff9b::101:101", no},
		"NAT64, local":                {"64:ff9b:1::1", no},
		"6to4":                        {"2002:7f00:1::", no},
		"Teredo":                      {"2001::1", no},
		"IPv4-mapped loopback":        {"::ffff:127.0.0.1", no},
		"IPv4-mapped private":         {"::ffff:10.0.0.1", no},
		"IPv4-compatible loopback":    {"::127.0.0.1", no},
		"metadata":                    {"169.254.169.254", no},
		"metadata, ECS":               {"169.254.170.2", no},
		"metadata, Alibaba":           {"100.100.100.200", no},
		"metadata, Oracle":            {"192.0.0.192", no},
		"metadata, Azure":             {"168.63.129.16", no},
		"metadata, AWS IPv6":          {"fd00:ec2::254", no},
		"metadata, Google IPv6":       {"fd20:ce::254", no},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			network := "tcp4"
			if strings.Contains(tc.address, ":") {
				network = "tcp6"
			}
			for _, g := range []struct {
				guard guard
				want  bool
			}{
				{newGuard(Allow{}, false), tc.allowed == always},
				{newGuard(Allow{AnyPort: true}, false), tc.allowed == always},
				{newGuard(Allow{Loopback: true}, false), tc.allowed == always || tc.allowed == loopback},
				{newGuard(Allow{Private: true}, false), tc.allowed != no},
				{newGuard(Allow{Loopback: true}, true), tc.allowed == loopback},
				{newGuard(Allow{Private: true}, true), tc.allowed == loopback || tc.allowed == private},
			} {
				err := g.guard.control(network, net.JoinHostPort(tc.address, "443"), nil)
				require.Equal(t, g.want, err == nil, "%v", err)
				if err != nil {
					require.ErrorIs(t, err, ssrf.ErrProhibitedIP)
				}
			}
		})
	}
}

func TestTheGuardKnowsThePorts(t *testing.T) {
	for _, port := range []string{"0", "22", "80", "442", "444", "6379", "8442", "8444", "65535"} {
		address := net.JoinHostPort("1.1.1.1", port)
		require.ErrorIs(t, newGuard(Allow{}, false).control("tcp4", address, nil), ssrf.ErrProhibitedPort)
		require.NoError(t, newGuard(Allow{AnyPort: true}, false).control("tcp4", address, nil))
	}
	require.NoError(t, newGuard(Allow{}, false).control("tcp4", "1.1.1.1:8443", nil))
	require.ErrorIs(t, newGuard(Allow{}, false).control("udp4", "1.1.1.1:443", nil), ssrf.ErrProhibitedNetwork)
	require.Error(t, newGuard(Allow{}, false).control("tcp4", "not an address", nil))
}

// names is a resolver that answers each question with the next of addresses, and
// then with the last for ever. asked counts.
func names(asked *atomic.Int32, addresses ...string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serveName(server, func(kind uint16) net.IP {
			const a, aaaa = 1, 28
			next := addresses[min(int(asked.Load()), len(addresses)-1)]
			if six := strings.Contains(next, ":"); six != (kind == aaaa) || !six && kind != a {
				return nil
			}
			asked.Add(1)
			if kind == aaaa {
				return net.ParseIP(next)
			}
			return net.ParseIP(next).To4()
		})
		return client, nil
	}}
}

// serveName answers one question over TCP (RFC 1035 section 4).
func serveName(conn net.Conn, find func(kind uint16) net.IP) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	answer := append([]byte{}, query[:end]...)
	copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if ip := find(binary.BigEndian.Uint16(query[end-4:])); ip != nil {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, query[end-4], query[end-3], 0, 1, 0, 0, 0, 0, 0, byte(len(ip)))
		answer = append(answer, ip...)
	}
	conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
}

func TestSecurity34ANameIsJudgedByWhatItResolvesToWhenItIsConnectedTo(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		io.WriteString(w, `{"keys":[]}`)
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	url := "http://rebinding.example:" + port + "/"

	fetch := func(allow Allow, addresses ...string) error {
		var asked atomic.Int32
		client := newClient(allow, names(&asked, addresses...))
		// Somebody who checks a name by resolving it sees the first address.
		first, err := client.Transport.(byScheme)["https"].(*http.Transport).DialContext(t.Context(), "tcp4", "rebinding.example:"+port)
		if err == nil {
			first.Close()
		}
		require.EqualValues(t, 1, asked.Load())
		resp, err := client.Get(url)
		if err == nil {
			resp.Body.Close()
		}
		client.CloseIdleConnections()
		require.EqualValues(t, 2, asked.Load())
		return err
	}
	require.NoError(t, fetch(Allow{Loopback: true}, "127.0.0.1", "127.0.0.1"), "the names do not work")
	require.EqualValues(t, 1, hits.Load())

	require.ErrorIs(t, fetch(Allow{Loopback: true}, "127.0.0.1", "169.254.169.254"), ssrf.ErrProhibitedIP)
	require.ErrorIs(t, fetch(Allow{Loopback: true}, "127.0.0.1", "10.0.0.1"), ssrf.ErrProhibitedIP)
	require.EqualValues(t, 1, hits.Load())
}

// counting listens at a port of this machine, and counts who connects to it.
func counting(t *testing.T) (port string, hits *atomic.Int32) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	hits = new(atomic.Int32)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			conn.Close()
		}
	}()
	_, port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port, hits
}

func TestSecurity34TheDefaultClientDoesNotConnectToThisMachine(t *testing.T) {
	port, hits := counting(t)
	for _, allow := range []Allow{{}, {AnyPort: true}} {
		var asked atomic.Int32
		client := newClient(allow, names(&asked, "127.0.0.1"))
		_, err := client.Get("https://inside.example:" + port + "/")
		if allow.AnyPort {
			require.ErrorIs(t, err, ssrf.ErrProhibitedIP)
		} else {
			require.ErrorIs(t, err, ssrf.ErrProhibitedPort)
		}
		require.NotZero(t, asked.Load())
		_, err = client.Get("http://inside.example:" + port + "/")
		require.ErrorIs(t, err, errScheme)
	}
	require.Zero(t, hits.Load())
}

// An address of this machine, or of what is near, that hides in one of IPv6.
func TestSecurity34AddressesWithinIPv6AreNotConnectedTo(t *testing.T) {
	port, hits := counting(t)
	for _, address := range []string{
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "fe80::1", "fd00:ec2::254",
	} {
		var asked atomic.Int32
		_, err := newClient(Allow{AnyPort: true}, names(&asked, address)).Get("https://inside.example:" + port + "/")
		require.EqualValues(t, 1, asked.Load(), address)
		require.Error(t, err, address)
		if net.ParseIP(address).To4() != nil { // else the machine may have no IPv6, which ends it sooner
			require.ErrorIs(t, err, ssrf.ErrProhibitedIP, address)
		}
	}
	require.Zero(t, hits.Load())
}

func TestSecurity41ProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("proxy used") }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	for _, transport := range newClient(Allow{Private: true}, nil).Transport.(byScheme) {
		require.Nil(t, transport.(*http.Transport).Proxy)
	}
	var asked atomic.Int32
	_, err := newClient(Allow{}, names(&asked, "10.0.0.1")).Get("https://inside.example/")
	require.ErrorIs(t, err, ssrf.ErrProhibitedIP)
}

func TestIdleConnectionsAreFewAndShort(t *testing.T) {
	for _, transport := range newClient(Allow{Private: true}, nil).Transport.(byScheme) {
		tr := transport.(*http.Transport)
		require.LessOrEqual(t, tr.MaxIdleConns, 16)
		require.Positive(t, tr.MaxIdleConns)
		require.LessOrEqual(t, tr.MaxIdleConnsPerHost, 2)
		require.LessOrEqual(t, tr.IdleConnTimeout, fetchTimeout)
		require.Positive(t, tr.IdleConnTimeout)
		require.LessOrEqual(t, tr.MaxResponseHeaderBytes, int64(32<<10))
		require.Positive(t, tr.MaxResponseHeaderBytes)
		require.True(t, tr.DisableCompression)
		require.Nil(t, tr.TLSClientConfig, "certificates are verified")
	}
}
