// go mod init verify && go mod tidy          go run . <token>…
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

var (
	issuer   = os.Getenv("TENANTRY_ISSUER")
	audience = os.Getenv("TENANTRY_AUDIENCE")
	client   = &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	// 401: the token is not good.
	errInvalid   = errors.New("invalid_token")
	errExpired   = errors.New("token_expired")
	errStale     = errors.New("token_stale")
	errRevoked   = errors.New("session_revoked")
	errSuspended = errors.New("organization_suspended")
	// 503 with Retry-After: the token cannot be judged now. Never answer 401: clients throw their tokens away.
	errUnknown = errors.New("revocations_stale")
)

type Claims struct {
	Subject      string   `json:"sub"`
	Organization string   `json:"org"`
	Session      string   `json:"sid"`
	Epoch        *int64   `json:"epoch"`
	Membership   *int64   `json:"mep"`
	Roles        []string `json:"roles"`
	RolesEpoch   *int64   `json:"rep"` // nil: a token of an older version of the service
	IssuedAt     int64    `json:"iat"`
	Permissions  []string `json:"permissions"`
	AskForThem   bool     `json:"permissions_ref"` // if true, ask POST /api/v1/authz/check
}

// membershipEpoch is the epoch of the token for events about the membership in its organization.
func (c Claims) membershipEpoch() int64 {
	if c.Membership == nil { // a token of an older version of the service
		return *c.Epoch
	}
	return *c.Membership
}

// Holds reports whether the token grants resource:action.
func (c Claims) Holds(wanted string) bool {
	resource, action, _ := strings.Cut(wanted, ":")
	return slices.ContainsFunc([]string{wanted, resource + ":*", "*:" + action, "*:*"}, func(pattern string) bool {
		return slices.Contains(c.Permissions, pattern)
	})
}

type Verifier struct {
	keys        jwk.Set
	revocations *Revocations // nil: a token is good until it expires
}

func NewVerifier(ctx context.Context, revocations *Revocations) (*Verifier, error) {
	cache, err := jwk.NewCache(ctx, httprc.NewClient(httprc.WithHTTPClient(client)))
	if err != nil {
		return nil, err
	}
	// Fetched again in the background, as Cache-Control says. In an outage, the known keys stay.
	place := issuer + "/.well-known/jwks.json"
	first, cancel := context.WithTimeout(ctx, 10*time.Second) // without a limit, Register would wait for ever
	defer cancel()
	if err := cache.Register(first, place, jwk.WithMinInterval(30*time.Second), jwk.WithMaxInterval(5*time.Minute)); err != nil {
		return nil, err
	}
	keys, err := cache.CachedSet(place)
	return &Verifier{keys, revocations}, err
}

// Verify returns the claims of an access token, or the reason of its refusal.
func (v *Verifier) Verify(token string) (Claims, error) {
	var claims Claims
	kid, ok := kidOf(token)
	if !ok {
		return claims, errInvalid
	}
	parsed, err := jwt.Parse([]byte(token),
		jwt.WithKeySet(v.keys), // chosen by kid, and only with the alg of the key
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithAcceptableSkew(5*time.Second),
		jwt.WithRequiredClaim("sub"), jwt.WithRequiredClaim("exp"), jwt.WithRequiredClaim("iat"),
	)
	if errors.Is(err, jwt.TokenExpiredError()) {
		return claims, errExpired
	}
	if err != nil {
		return claims, errInvalid
	}
	text, err := json.Marshal(parsed)
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Epoch == nil {
		return claims, errInvalid
	}
	if v.revocations != nil {
		return claims, v.revocations.judge(claims, kid)
	}
	return claims, nil
}

// The library does not check typ: a refresh token must not pass. No other header may name another key or rule.
func kidOf(token string) (string, bool) {
	message, err := jws.Parse([]byte(token), jws.WithCompact())
	if err != nil || len(message.Signatures()) != 1 {
		return "", false
	}
	header := message.Signatures()[0].ProtectedHeaders()
	algorithm, _ := header.Algorithm()
	kind, _ := header.Type()
	kid, _ := header.KeyID()
	return kid, algorithm == jwa.RS256() && kind == "at+jwt" && kid != "" && len(header.Keys()) == 3
}

// Revocations knows which tokens to refuse before they expire, and polls the feed every second.
type Revocations struct {
	id, secret string
	mutex      sync.RWMutex
	token      string
	tokenEnds  time.Time
	cursor     string
	spoke      time.Time
	notBefore  int64
	sessions   map[string]time.Time
	epochs     map[string]seen[int64]
	suspended  map[string]seen[event]
	keys       map[string]bool // never forgotten: somebody who has a leaked key can sign new tokens
}

type seen[T any] struct {
	value T
	at    time.Time
}

type event struct {
	Kind      string  `json:"kind"`
	Session   string  `json:"sid"`
	User      string  `json:"sub"`
	Client    string  `json:"client_id"`
	Epoch     int64   `json:"epoch"`
	Org       string  `json:"org"`
	Role      string  `json:"role"`
	State     string  `json:"state"`
	At        float64 `json:"at"`
	NotBefore int64   `json:"not_before"`
	Kid       string  `json:"kid"`
}

const (
	remember = 1000 * time.Second // an access token lives for 900
	stale    = 30 * time.Second
)

func FollowRevocations(id, secret string) (*Revocations, error) {
	r := &Revocations{
		id: id, secret: secret,
		sessions: map[string]time.Time{}, epochs: map[string]seen[int64]{}, suspended: map[string]seen[event]{},
		keys: map[string]bool{},
	}
	if err := r.poll(); err != nil {
		return nil, err
	}
	go func() {
		for range time.Tick(time.Second) {
			if err := r.poll(); err != nil {
				log.Print("revocations: ", err) // if this lasts too long, judge refuses every token
			}
		}
	}()
	return r, nil
}

func (r *Revocations) poll() error {
	asked := time.Now()
	if err := r.signIn(); err != nil {
		return err
	}
	place := issuer + "/api/v1/revocations"
	if r.cursor != "" {
		place += "?after=" + url.QueryEscape(r.cursor)
	}
	request, err := http.NewRequest("GET", place, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	request.Header.Set("Accept", "application/json")
	var answer struct {
		Data struct {
			Cursor string  `json:"cursor"`
			Events []event `json:"events"`
		} `json:"data"`
	}
	status, err := exchange(request, &answer)
	if err != nil {
		if status == http.StatusUnauthorized {
			r.tokenEnds = time.Time{}
		}
		if status == http.StatusUnprocessableEntity {
			r.cursor = "" // a cursor of another installation: start again
		}
		return err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, e := range answer.Data.Events {
		r.take(e, asked)
	}
	r.cursor, r.spoke = answer.Data.Cursor, asked
	r.forget(asked.Add(-remember))
	return nil
}

func (r *Revocations) take(e event, now time.Time) {
	switch e.Kind {
	case "session":
		r.sessions[e.Session] = now
	case "user", "membership", "client":
		// With an organization, the event is about the membership there, and not about all tokens of the user.
		id := e.User + e.Client + e.Org // the user or the client is set
		r.epochs[id] = seen[int64]{max(e.Epoch, r.epochs[id].value), now}
	case "role":
		id := e.Org + " " + e.Role
		r.epochs[id] = seen[int64]{max(e.Epoch, r.epochs[id].value), now}
	case "organization":
		if known, ok := r.suspended[e.Org]; !ok || known.value.At <= e.At { // the later change wins
			r.suspended[e.Org] = seen[event]{e, now}
		}
	case "key":
		r.keys[e.Kid] = true
	case "everything":
		r.notBefore = max(r.notBefore, e.NotBefore)
	}
}

func (r *Revocations) forget(before time.Time) {
	for id, at := range r.sessions {
		if at.Before(before) {
			delete(r.sessions, id)
		}
	}
	for id, known := range r.epochs {
		if known.at.Before(before) {
			delete(r.epochs, id)
		}
	}
	for id, known := range r.suspended {
		if known.at.Before(before) {
			delete(r.suspended, id)
		}
	}
}

func (r *Revocations) judge(claims Claims, kid string) error {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	_, ended := r.sessions[claims.Session]
	switch {
	case time.Since(r.spoke) > stale:
		return errUnknown
	case r.keys[kid]:
		return errInvalid
	case claims.IssuedAt < r.notBefore || ended:
		return errRevoked
	case *claims.Epoch < r.epochs[claims.Subject].value:
		return errStale
	case claims.Organization != "" && claims.membershipEpoch() < r.epochs[claims.Subject+claims.Organization].value:
		return errStale
	case claims.RolesEpoch != nil && slices.ContainsFunc(claims.Roles, func(role string) bool {
		return *claims.RolesEpoch < r.epochs[claims.Organization+" "+role].value
	}):
		return errStale
	case r.suspended[claims.Organization].value.State == "suspended":
		return errSuspended
	}
	return nil
}

func (r *Revocations) signIn() error {
	if time.Until(r.tokenEnds) > time.Minute {
		return nil
	}
	body := strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode())
	request, err := http.NewRequest("POST", issuer+"/oauth/token", body)
	if err != nil {
		return err
	}
	request.SetBasicAuth(url.QueryEscape(r.id), url.QueryEscape(r.secret))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		Token   string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	if _, err := exchange(request, &answer); err != nil {
		return err
	}
	r.token, r.tokenEnds = answer.Token, time.Now().Add(time.Duration(answer.Seconds)*time.Second)
	return nil
}

func exchange(request *http.Request, into any) (int, error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return response.StatusCode, fmt.Errorf("%s answered %s", request.URL.Path, response.Status)
	}
	return response.StatusCode, json.NewDecoder(response.Body).Decode(into)
}

func main() {
	log.SetFlags(0)
	if issuer == "" || audience == "" || len(os.Args) < 2 {
		log.Fatal("usage: TENANTRY_ISSUER=… TENANTRY_AUDIENCE=… go run . <token>…")
	}
	var revocations *Revocations
	var err error
	if id := os.Getenv("TENANTRY_CLIENT_ID"); id != "" {
		if revocations, err = FollowRevocations(id, os.Getenv("TENANTRY_CLIENT_SECRET")); err != nil {
			log.Fatalf("cannot follow the revocations of %s: %v", issuer, err)
		}
	}
	verifier, err := NewVerifier(context.Background(), revocations)
	if err != nil {
		log.Fatalf("cannot fetch the keys of %s: %v", issuer, err)
	}
	for _, token := range os.Args[1:] {
		if claims, err := verifier.Verify(token); err != nil {
			fmt.Println("refused", err)
		} else if claims.Holds("deals:write") {
			fmt.Println("ok", claims.Subject, "deals:write")
		} else {
			fmt.Println("ok", claims.Subject, "-")
		}
	}
}
