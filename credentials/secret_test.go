package credentials_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

func newSecret(t testing.TB) credentials.Secret {
	t.Helper()
	s, err := credentials.NewSecret(rand.Reader)
	require.NoError(t, err)
	return s
}

func TestASecretNeedsNoEscapingAnywhere(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		s := newSecret(t)
		require.Regexp(t, `^cls_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}$`, s.Reveal())
		require.Equal(t, s.Reveal()[4:12], s.ID())
		require.False(t, seen[s.ID()])
		seen[s.ID()] = true
	}
}

func TestEachCharacterOfASecretIsEquallyLikely(t *testing.T) {
	var counts [256]int
	const secrets = 4000
	for range secrets {
		body := newSecret(t).Reveal()[13 : 13+43]
		for _, c := range []byte(body) {
			counts[c]++
		}
	}
	expected := float64(secrets*43) / 62
	chi := 0.0
	for c := range 256 {
		if strings.IndexByte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", byte(c)) >= 0 {
			d := float64(counts[c]) - expected
			chi += d * d / expected
		}
	}
	// 61 degrees of freedom: beyond 140 once in ten million runs.
	require.Less(t, chi, 140.0)
}

func TestParseSecret(t *testing.T) {
	s := newSecret(t)
	again, err := credentials.ParseSecret(s.Reveal())
	require.NoError(t, err)
	require.Equal(t, s.Reveal(), again.Reveal())
	require.Equal(t, s.Digest(), again.Digest())

	v := s.Reveal()
	for _, c := range []struct{ name, text string }{
		{"empty", ""},
		{"a password", "correct horse battery staple"},
		{"cut by one", v[:len(v)-1]},
		{"one too long", v + "0"},
		{"another prefix", "xls_" + v[4:]},
		{"another separator", v[:12] + "-" + v[13:]},
		{"a space in front", " " + v[:len(v)-1]},
		{"a NUL", v[:20] + "\x00" + v[21:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := credentials.ParseSecret(c.text)
			require.ErrorIs(t, err, credentials.ErrMalformed)
		})
	}
	t.Run("one character changed anywhere", func(t *testing.T) {
		for i := range v {
			changed := []byte(v)
			if changed[i] = 'x'; v[i] == 'x' {
				changed[i] = 'y'
			}
			_, err := credentials.ParseSecret(string(changed))
			require.ErrorIs(t, err, credentials.ErrMalformed, "at %d", i)
		}
	})
	t.Run("the error says nothing of the text", func(t *testing.T) {
		_, err := credentials.ParseSecret(v[:len(v)-1] + "!")
		require.NotContains(t, err.Error(), v[13:30])
	})
}

func TestASecretIsNeverShownByChance(t *testing.T) {
	s := newSecret(t)
	body := s.Reveal()[13:]
	holder := struct {
		Public credentials.Secret
		hidden credentials.Secret
		ptr    *credentials.Secret
	}{s, s, &s}
	marshalled, err := json.Marshal(holder)
	require.NoError(t, err)
	var logged bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logged, nil))
	logger.Info("x", "secret", s, "holder", holder, "list", []credentials.Secret{s})
	text := slog.New(slog.NewTextHandler(&logged, nil))
	text.Info("x", "secret", s, "holder", fmt.Sprint(holder))
	shown := []string{string(marshalled), logged.String(), s.String(), fmt.Errorf("with %w and %v", io.EOF, s).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%100s"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, []any{s}), fmt.Sprintf(verb, map[string]credentials.Secret{"k": s}))
	}
	for _, text := range shown {
		require.NotContains(t, text, body)
		require.NotContains(t, text, fmt.Sprintf("%x", body))
	}
	require.Equal(t, "cls_"+s.ID()+"_[redacted]", fmt.Sprintf("%v", s))
	require.Contains(t, string(marshalled), "cls_"+s.ID()+"_[redacted]")
}

func TestTheZeroSecretIsEmpty(t *testing.T) {
	var s credentials.Secret
	require.Empty(t, s.Reveal())
	require.Empty(t, s.ID())
	require.Empty(t, fmt.Sprintf("%v", s))
}

func TestNewSecretReturnsTheErrorOfItsSource(t *testing.T) {
	broken := errors.New("no randomness")
	_, err := credentials.NewSecret(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	_, err = credentials.NewSecret(bytes.NewReader(make([]byte, 64))) // enough for the id only
	require.ErrorIs(t, err, io.EOF)
}

func TestDigest(t *testing.T) {
	a, b := credentials.DigestOf("a"), credentials.DigestOf("b")
	require.True(t, a.Equal(credentials.DigestOf("a")))
	require.False(t, a.Equal(b))

	text, err := a.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", string(text))
	var back credentials.Digest
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, a, back)
	require.Equal(t, "sha256:ca978112…", a.String())

	for _, bad := range []string{"", "ca97", strings.Repeat("g", 64), string(text) + "00"} {
		require.Error(t, back.UnmarshalText([]byte(bad)), bad)
	}
}

func TestTheWorkForAHugeSecretIsBounded(t *testing.T) {
	long := strings.Repeat("x", credentials.MaxSecretLen+1)
	require.Equal(t, credentials.DigestOf(long), credentials.DigestOf(long+strings.Repeat("y", 1<<20)))
}

func FuzzParseSecret(f *testing.F) {
	f.Add(newSecret(f).Reveal())
	f.Add("cls_AAAAAAAA_")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := credentials.ParseSecret(text)
		if err != nil {
			if !errors.Is(err, credentials.ErrMalformed) {
				t.Errorf("another error: %v", err)
			}
			return
		}
		if s.Reveal() != text || len(s.ID()) != 8 {
			t.Errorf("%q came back as %q with id %q", text, s.Reveal(), s.ID())
		}
		if strings.Contains(fmt.Sprintf("%+v", s), text[13:]) {
			t.Error("it shows")
		}
	})
}

func BenchmarkDigest(b *testing.B) {
	s := newSecret(b)
	kept := s.Digest()
	b.ReportAllocs()
	for b.Loop() {
		if !credentials.DigestOf(s.Reveal()).Equal(kept) {
			b.Fatal("different")
		}
	}
}
