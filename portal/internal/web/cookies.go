package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tollgate/tollgate/portal/internal/view"
)

// Cookies with the __Host- prefix are Secure, belong to this host alone and to
// all of its paths; browsers take them over https, and over http from
// localhost.
const (
	sessionCookie = "__Host-tollgate"
	beforeCookie  = "__Host-tollgate-before"
	flashCookie   = "__Host-tollgate-flash"
	themeCookie   = "tollgate-theme"
)

func (v *visit) setCookie(name, value string, maxAge time.Duration) {
	v.c.SetCookie(&http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(maxAge / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (v *visit) dropCookie(name string) { v.setCookie(name, "", -time.Second) }

func (v *visit) cookie(name string) string {
	c, err := v.c.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// formSecret is what form tokens are derived from: the session, or before
// sign-in a random value in a cookie of its own.
func (v *visit) formSecret() string {
	if v.session != "" {
		return v.session
	}
	return v.before
}

// ensureBefore makes the value for forms before sign-in.
func (v *visit) ensureBefore() {
	if v.session == "" && v.before == "" {
		v.before = rand.Text()
		v.setCookie(beforeCookie, v.before, 12*time.Hour)
	}
}

const nonceSize = 12

// formToken makes a token for a form. It differs each time, so that the
// compressed page does not leak it byte by byte.
func formToken(secret string) string {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(append(nonce, formMAC(secret, nonce)...))
}

func formMAC(secret string, nonce []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("tollgate form\x00"))
	m.Write(nonce)
	return m.Sum(nil)
}

// validFormToken reports whether token was made from secret.
func validFormToken(secret, token string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || secret == "" || len(raw) != nonceSize+sha256.Size {
		return false
	}
	return hmac.Equal(raw[nonceSize:], formMAC(secret, raw[:nonceSize]))
}

// flashTime is how long a message waits for the page that shows it.
const flashTime = 5 * time.Minute

// sealer encrypts flashes to the session: they can hold a new secret, and any
// portal must be able to show what another one wrote.
func sealer(session string) (cipher.AEAD, error) {
	key := sha256.Sum256([]byte("tollgate flash\x00" + session))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// setFlash leaves a message for the next page.
func (v *visit) setFlash(f view.Flash) error {
	aead, err := sealer(v.session)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(f)
	if err != nil {
		return err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	sealed := aead.Seal(nonce, nonce, plain, nil)
	v.setCookie(flashCookie, base64.RawURLEncoding.EncodeToString(sealed), flashTime)
	return nil
}

// takeFlash reads the message and forgets it. A page that is not the one a
// secret is meant for leaves it alone.
func (v *visit) takeFlash(page string) *view.Flash {
	value := v.cookie(flashCookie)
	if value == "" || v.session == "" {
		return nil
	}
	f := openFlash(v.session, value)
	if f != nil && f.Secret != nil && f.Secret.For != page && f.Secret.For != "" {
		return nil
	}
	v.dropCookie(flashCookie)
	return f
}

func openFlash(session, value string) *view.Flash {
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return nil
	}
	aead, err := sealer(session)
	if err != nil || len(sealed) < aead.NonceSize() {
		return nil
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil {
		return nil
	}
	var f view.Flash
	if json.Unmarshal(plain, &f) != nil {
		return nil
	}
	return &f
}
