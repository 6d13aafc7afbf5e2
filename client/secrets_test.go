package client_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

func TestTheEndOfASecret(t *testing.T) {
	const grace = 5 * time.Minute
	taken := map[string]time.Duration{
		"30 days":                             30 * day,
		"30 days less five minutes":           30*day - grace,
		"90 days":                             90 * day,
		"365 days":                            365 * day,
		"365 days and five minutes":           365*day + grace,
		"90 days and a part of a microsecond": 90*day + 1,
	}
	refused := map[string]time.Duration{
		"30 days less five minutes and a second": 30*day - grace - time.Second,
		"365 days, five minutes and a second":    365*day + grace + time.Second,
		"nothing":                                0,
		"the past":                               -day,
		"one day":                                day,
		"two years":                              730 * day,
	}
	f := newFixture(t)
	for title, validity := range taken {
		t.Run(title, func(t *testing.T) {
			c := f.add(t, client.Spec{Name: title})
			for _, add := range f.waysToAdd() {
				value, kept, err := add(c.ID, noon.Add(validity))
				require.NoError(t, err)
				require.Equal(t, noon.Add(validity.Truncate(time.Microsecond)), kept.ExpiresAt)
				require.Equal(t, noon, kept.CreatedAt)
				require.True(t, f.works(t, c.ID, value))
			}
		})
	}
	for title, validity := range refused {
		t.Run(title+" is refused", func(t *testing.T) {
			c := f.add(t, client.Spec{Name: title})
			f.requireUnchanged(t, func() {
				for _, add := range f.waysToAdd() {
					value, kept, err := add(c.ID, noon.Add(validity))
					requireProblem(t, err, "ExpiresAt", "choose 30 to 365 days from now: 2026-04-03T12:00:00Z to 2027-03-04T12:00:00Z")
					require.Empty(t, value.Reveal())
					require.Zero(t, kept)
				}
			})
		})
	}
	for title, end := range map[string]time.Time{
		"no time":                      {},
		"milliseconds for seconds":     time.Unix(noon.Add(90*day).UnixMilli(), 0),
		"seconds for milliseconds":     time.UnixMilli(noon.Add(90 * day).Unix()),
		"the end of what a time holds": time.Unix(1<<62, 0),
	} {
		t.Run(title+" is refused", func(t *testing.T) {
			c := f.add(t, client.Spec{Name: title})
			_, _, err := f.AddSecret(f.ctx, c.ID, end)
			requireProblem(t, err, "ExpiresAt", "choose 30 to 365 days from now")
		})
	}
	t.Run("another time zone", func(t *testing.T) {
		c := f.add(t, client.Spec{Name: "zone"})
		_, kept, err := f.AddSecret(f.ctx, c.ID, noon.Add(90*day).In(time.FixedZone("", 3600)))
		require.NoError(t, err)
		require.Equal(t, noon.Add(90*day), kept.ExpiresAt)
	})
}

// waysToAdd are the ways to add a secret.
func (f *fixture) waysToAdd() []func(id string, end time.Time) (credentials.Secret, client.Secret, error) {
	return []func(string, time.Time) (credentials.Secret, client.Secret, error){
		func(id string, end time.Time) (credentials.Secret, client.Secret, error) {
			return f.AddSecret(f.ctx, id, end)
		},
		func(id string, end time.Time) (credentials.Secret, client.Secret, error) {
			return f.Rotate(f.ctx, id, client.Rotation{ExpiresAt: end, OldEndsAt: end})
		},
		func(id string, end time.Time) (credentials.Secret, client.Secret, error) {
			value, err := credentials.NewSecret(rand.Reader)
			if err != nil {
				return credentials.Secret{}, client.Secret{}, err
			}
			kept, err := f.AddSecretDigest(f.ctx, id, client.SecretDigest{Digest: value.Digest(), ExpiresAt: end, HighEntropy: true})
			if err != nil {
				value = credentials.Secret{}
			}
			return value, kept, err
		},
	}
}

func TestASecretWorksUntilItsEnd(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	value, kept := f.addSecret(t, c.ID, 30*day)

	f.clock.advance(30*day - time.Microsecond)
	require.True(t, f.works(t, c.ID, value))
	require.True(t, kept.Valid(f.clock.now()))

	f.clock.advance(time.Microsecond)
	require.False(t, f.works(t, c.ID, value))
	require.False(t, kept.Valid(f.clock.now()))
	secret, known, valid := f.get(t, c.ID).CheckSecret(value.Reveal(), f.clock.now())
	require.Equal(t, kept, secret, "an expired secret is still recognised")
	require.True(t, known)
	require.False(t, valid)
}

func TestASecretIsShownOnce(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	value, kept := f.addSecret(t, c.ID, 90*day)
	require.Regexp(t, `^cls_[A-Za-z0-9_]{58}$`, value.Reveal())
	require.Equal(t, value.ID(), kept.ID)
	require.Equal(t, value.Digest(), kept.Digest)
	require.Contains(t, value.Reveal(), kept.ID)

	now := f.get(t, c.ID)
	require.Equal(t, []client.Secret{kept}, now.Secrets)
	random := value.Reveal()[len("cls_")+len(kept.ID)+1:]
	digest := fmt.Sprintf("%x", kept.Digest[:])
	for title, shown := range map[string]string{
		"%v": fmt.Sprintf("%v", now), "%+v": fmt.Sprintf("%+v", now), "%#v": fmt.Sprintf("%#v", now),
		"%v of a value": fmt.Sprintf("%v", *now), "JSON": toJSON(t, now),
	} {
		require.NotContains(t, shown, random, title)
		require.NotContains(t, shown, digest, title)
	}
	require.NotContains(t, toJSON(t, now), "Digest")
	require.Contains(t, fmt.Sprintf("%+v", now), kept.Digest.String(), "enough of it to tell digests apart")
}

func TestAtMostTwoSecrets(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	// The first ends last: what counts is the order of adding.
	first, keptFirst := f.addSecret(t, c.ID, 365*day)
	second, keptSecond := f.addSecret(t, c.ID, 60*day)
	require.Equal(t, []client.Secret{keptFirst, keptSecond}, f.get(t, c.ID).Secrets)
	require.True(t, f.works(t, c.ID, first))
	require.True(t, f.works(t, c.ID, second))

	third, keptThird := f.addSecret(t, c.ID, 30*day)
	require.Equal(t, []client.Secret{keptFirst, keptThird}, f.get(t, c.ID).Secrets)
	require.True(t, f.works(t, c.ID, first), "the deployed one goes on working")
	require.False(t, f.works(t, c.ID, second), "the most recent one was replaced")
	require.True(t, f.works(t, c.ID, third))

	// Also where the clock went back, so that the most recent is not the youngest.
	f.clock.advance(-time.Hour)
	fourth, keptFourth := f.addSecret(t, c.ID, 90*day)
	require.Equal(t, []client.Secret{keptFirst, keptFourth}, f.get(t, c.ID).Secrets)
	require.True(t, keptFourth.CreatedAt.Before(keptFirst.CreatedAt))
	_, keptFifth := f.addSecret(t, c.ID, 90*day)
	require.Equal(t, []client.Secret{keptFirst, keptFifth}, f.get(t, c.ID).Secrets)
	require.False(t, f.works(t, c.ID, fourth))
}

func TestExpiredSecretsAreDroppedBeforeCounting(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	_, first := f.addSecret(t, c.ID, 30*day)
	_, second := f.addSecret(t, c.ID, 60*day)

	f.clock.advance(30*day - time.Microsecond)
	_, third := f.addSecret(t, c.ID, 60*day)
	require.Equal(t, []client.Secret{first, third}, f.get(t, c.ID).Secrets, "a microsecond before its end it counts")

	f.clock.advance(time.Microsecond)
	_, fourth := f.addSecret(t, c.ID, 60*day)
	require.Equal(t, []client.Secret{third, fourth}, f.get(t, c.ID).Secrets, "at its end the first is dropped, and nothing replaced")

	f.clock.advance(365 * day)
	_, fifth := f.addSecret(t, c.ID, 60*day)
	require.Equal(t, []client.Secret{fifth}, f.get(t, c.ID).Secrets, "all have expired")
	require.NotContains(t, []client.Secret{first, second, third, fourth}, fifth)
}

func TestOtherChangesLeaveExpiredSecrets(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	_, kept := f.addSecret(t, c.ID, 30*day)
	f.clock.advance(365 * day)
	disabled, err := f.Disable(f.ctx, c.ID)
	require.NoError(t, err)
	require.Equal(t, []client.Secret{kept}, disabled.Secrets)
}

func TestDeleteSecret(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	other := f.add(t, client.Spec{Name: "another"})
	first, keptFirst := f.addSecret(t, c.ID, 90*day)
	second, keptSecond := f.addSecret(t, c.ID, 90*day)
	_, foreign := f.addSecret(t, other.ID, 90*day)

	for title, secretID := range map[string]string{
		"unknown": "nothing", "empty": "", "another client's": foreign.ID, "1 MiB": strings.Repeat("x", 1<<20),
		"in another case": strings.ToUpper(keptFirst.ID) + strings.ToLower(keptFirst.ID),
	} {
		t.Run(title, func(t *testing.T) {
			f.requireUnchanged(t, func() {
				err := f.DeleteSecret(f.ctx, c.ID, secretID)
				require.ErrorIs(t, err, client.ErrNotFound)
				require.Less(t, len(err.Error()), 400)
			})
		})
	}

	f.clock.advance(time.Minute)
	require.NoError(t, f.DeleteSecret(f.ctx, c.ID, keptFirst.ID))
	require.False(t, f.works(t, c.ID, first))
	require.True(t, f.works(t, c.ID, second))
	require.Equal(t, []client.Secret{keptSecond}, f.get(t, c.ID).Secrets)
	require.Equal(t, f.clock.now(), f.get(t, c.ID).UpdatedAt)
	require.ErrorIs(t, f.DeleteSecret(f.ctx, c.ID, keptFirst.ID), client.ErrNotFound)

	require.NoError(t, f.DeleteSecret(f.ctx, c.ID, keptSecond.ID))
	require.Empty(t, f.get(t, c.ID).Secrets)
	require.False(t, f.works(t, c.ID, second))
}

func TestRotate(t *testing.T) {
	rotate := func(t *testing.T, f *fixture, id string, oldEnd time.Time) (credentials.Secret, client.Secret) {
		t.Helper()
		value, kept, err := f.Rotate(f.ctx, id, client.Rotation{ExpiresAt: f.clock.now().Add(90 * day), OldEndsAt: oldEnd})
		require.NoError(t, err)
		require.True(t, f.works(t, id, value))
		require.Equal(t, f.clock.now().Add(90*day), kept.ExpiresAt)
		return value, kept
	}
	t.Run("the old one has its grace", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		old, keptOld := f.addSecret(t, c.ID, 365*day)
		version := f.get(t, c.ID).Version
		_, kept := rotate(t, f, c.ID, noon.Add(day))
		keptOld.ExpiresAt = noon.Add(day)
		require.Equal(t, []client.Secret{keptOld, kept}, f.get(t, c.ID).Secrets)
		require.Equal(t, version+1, f.get(t, c.ID).Version, "one step")
		f.clock.advance(day - time.Microsecond)
		require.True(t, f.works(t, c.ID, old))
		f.clock.advance(time.Microsecond)
		require.False(t, f.works(t, c.ID, old))
	})
	t.Run("a grace is cut to microseconds and kept in UTC", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		f.addSecret(t, c.ID, 365*day)
		rotate(t, f, c.ID, noon.Add(day+1999).In(time.FixedZone("", -3600)))
		require.Equal(t, noon.Add(day+time.Microsecond), f.get(t, c.ID).Secrets[0].ExpiresAt)
	})
	for title, end := range map[string]time.Time{
		"no grace": {}, "a grace that has passed": noon.Add(-day), "a grace that ends now": noon,
		"a grace that ends within this microsecond": noon.Add(999),
	} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly"})
			old, _ := f.addSecret(t, c.ID, 365*day)
			older, _ := f.addSecret(t, c.ID, 365*day)
			_, kept := rotate(t, f, c.ID, end)
			require.Equal(t, []client.Secret{kept}, f.get(t, c.ID).Secrets)
			require.False(t, f.works(t, c.ID, old))
			require.False(t, f.works(t, c.ID, older))
		})
	}
	t.Run("an end that is earlier already stays", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		_, keptOld := f.addSecret(t, c.ID, 30*day)
		_, kept := rotate(t, f, c.ID, noon.Add(31*day))
		require.Equal(t, []client.Secret{keptOld, kept}, f.get(t, c.ID).Secrets)
	})
	t.Run("of two, the most recent is replaced and the other has its grace", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		first, keptFirst := f.addSecret(t, c.ID, 365*day)
		second, _ := f.addSecret(t, c.ID, 365*day)
		_, kept := rotate(t, f, c.ID, noon.Add(day))
		keptFirst.ExpiresAt = noon.Add(day)
		require.Equal(t, []client.Secret{keptFirst, kept}, f.get(t, c.ID).Secrets)
		require.True(t, f.works(t, c.ID, first))
		require.False(t, f.works(t, c.ID, second))
	})
	t.Run("an expired one is dropped before counting", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		f.addSecret(t, c.ID, 30*day)
		_, second := f.addSecret(t, c.ID, 365*day)
		f.clock.advance(30 * day)
		_, kept := rotate(t, f, c.ID, noon.Add(31*day))
		second.ExpiresAt = noon.Add(31 * day)
		require.Equal(t, []client.Secret{second, kept}, f.get(t, c.ID).Secrets)
	})
	t.Run("the first secret", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly"})
		_, kept := rotate(t, f, c.ID, noon.Add(day))
		require.Equal(t, []client.Secret{kept}, f.get(t, c.ID).Secrets)
	})
}

func TestAClientWithoutSecretsByItsMethodGetsNone(t *testing.T) {
	f := newFixture(t)
	// What a release writes that knows more methods.
	f.plant(t, "keys", 1, `{"name":"keys","token_lifetime":3600,"method":"JWKS"}`)
	f.requireUnchanged(t, func() {
		for _, add := range f.waysToAdd() {
			value, kept, err := add("keys", noon.Add(90*day))
			require.ErrorIs(t, err, client.ErrNoMethod)
			require.Empty(t, value.Reveal())
			require.Zero(t, kept)
		}
	})
}

func TestChangingTheMethodEndsWhatTheOtherHad(t *testing.T) {
	f := newFixture(t)
	foreign := credentials.DigestOf("left over")
	f.plant(t, "keys", 1, `{"name":"keys","token_lifetime":3600,"method":"JWKS","secrets":[{"id":"imported1","sha256":"`+
		fmt.Sprintf("%x", foreign[:])+`","created_at":"2026-03-04T12:00:00Z","expires_at":"2026-06-02T12:00:00Z"}]}`, "imported1")
	require.Len(t, f.get(t, "keys").Secrets, 1)
	c, err := f.Edit(f.ctx, "keys", func(c *client.Client) error { c.Method = credentials.MethodSecret; return nil })
	require.NoError(t, err)
	require.Empty(t, c.Secrets)
	require.Equal(t, c, f.get(t, "keys"))
}

func TestASecretByItsDigest(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	digest := credentials.DigestOf(foreign)
	kept, err := f.AddSecretDigest(f.ctx, c.ID, client.SecretDigest{Digest: digest, ExpiresAt: noon.Add(90 * day), HighEntropy: true})
	require.NoError(t, err)
	require.Regexp(t, "^[0-9A-Za-z]{8}$", kept.ID)
	require.Equal(t, client.Secret{ID: kept.ID, Digest: digest, CreatedAt: noon, ExpiresAt: noon.Add(90 * day), Imported: true}, kept)
	require.Equal(t, []client.Secret{kept}, f.get(t, c.ID).Secrets)
	looked, err := f.Lookup(f.ctx, c.ID)
	require.NoError(t, err)
	found, known, valid := looked.CheckSecret(foreign, noon)
	require.Equal(t, kept, found)
	require.True(t, known && valid)

	other := f.add(t, client.Spec{Name: "other"})
	_, err = f.AddSecretDigest(f.ctx, other.ID, client.SecretDigest{Digest: digest, ExpiresAt: noon.Add(90 * day), HighEntropy: true})
	require.NoError(t, err, "that another client has it does not matter, and nobody is told")

	// It is a secret like others: the third replaces it, being the most recent.
	_, generated := f.addSecret(t, other.ID, 60*day)
	_, third := f.addSecret(t, other.ID, 60*day)
	require.NotEqual(t, generated.ID, third.ID)
	require.Len(t, f.get(t, other.ID).Secrets, 2)
	last, err := f.AddSecretDigest(f.ctx, other.ID, client.SecretDigest{Digest: credentials.DigestOf("another one"), ExpiresAt: noon.Add(30 * day), HighEntropy: true})
	require.NoError(t, err)
	require.Equal(t, last, f.get(t, other.ID).Secrets[1])
}

func TestDigestsThatAreRefused(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly"})
	_, generated := f.addSecret(t, c.ID, 30*day)
	had, err := f.AddSecretDigest(f.ctx, c.ID, client.SecretDigest{Digest: credentials.DigestOf(foreign), ExpiresAt: noon.Add(30 * day), HighEntropy: true})
	require.NoError(t, err)
	f.clock.advance(30 * day) // when both have ended, but not been dropped
	sound := client.SecretDigest{Digest: credentials.DigestOf("new"), ExpiresAt: f.clock.now().Add(90 * day), HighEntropy: true}
	for _, bad := range []struct {
		title          string
		spoil          func(s *client.SecretDigest)
		field, message string
	}{
		{"nobody says that it is random", func(s *client.SecretDigest) { s.HighEntropy = false }, "HighEntropy", "must state that each secret holds at least 128 random bits"},
		{"no digest", func(s *client.SecretDigest) { s.Digest = credentials.Digest{} }, "Digest", "is missing: the SHA-256 of the secret"},
		{"the digest of nothing", func(s *client.SecretDigest) { s.Digest = credentials.DigestOf("") }, "Digest", "is that of an empty secret"},
		{"one that the client has", func(s *client.SecretDigest) { s.Digest = had.Digest }, "Digest", "is that of another secret of the client"},
		{"that of a generated one", func(s *client.SecretDigest) { s.Digest = generated.Digest }, "Digest", "is that of another secret of the client"},
		{"no end", func(s *client.SecretDigest) { s.ExpiresAt = time.Time{} }, "ExpiresAt", "choose 30 to 365 days from now"},
	} {
		t.Run(bad.title, func(t *testing.T) {
			s := sound
			bad.spoil(&s)
			f.requireUnchanged(t, func() {
				kept, err := f.AddSecretDigest(f.ctx, c.ID, s)
				requireProblem(t, err, bad.field, bad.message)
				require.Zero(t, kept)
				require.NotContains(t, err.Error(), s.Digest.String())
			})
		})
	}
	t.Run("all of it is said at once", func(t *testing.T) {
		_, err := f.AddSecretDigest(f.ctx, c.ID, client.SecretDigest{})
		var invalid *client.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Len(t, invalid.Problems, 3)
	})
	_, err = f.AddSecretDigest(f.ctx, c.ID, sound)
	require.NoError(t, err)
	signer := f.add(t, client.Spec{Name: "signer", JWKSURL: keysURL})
	_, err = f.AddSecretDigest(f.ctx, signer.ID, sound)
	require.ErrorIs(t, err, client.ErrNoMethod)
}
