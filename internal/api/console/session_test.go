package console

import (
	"net/http"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
)

func request(id string) *http.Request {
	return &http.Request{Header: http.Header{"Cookie": {cookieName + "=" + id}}}
}

// A session ends by itself, by signing out, and when too many others began.
func TestSessionsEnd(t *testing.T) {
	ss := newSessions()
	id := ss.begin(desk.Actor{Name: "a"})
	s := ss.of(request(id))
	if s == nil || s.actor.Name != "a" || ss.of(request(id+"x")) != nil || ss.of(&http.Request{}) != nil {
		t.Fatal("a session is not found by its id alone")
	}
	ss.end(request(id))
	if ss.of(request(id)) != nil {
		t.Error("signed out, and still there")
	}
	id = ss.begin(desk.Actor{})
	ss.of(request(id)).until = time.Now().Add(-time.Second)
	if ss.of(request(id)) != nil {
		t.Error("it outlives its time")
	}
	ss.begin(desk.Actor{})
	if len(ss.byID) != 1 {
		t.Errorf("%d sessions are kept, one of which lives", len(ss.byID))
	}
	first := ss.begin(desk.Actor{})
	ss.of(request(first)).until = time.Now().Add(time.Minute)
	for len(ss.byID) < maxSessions {
		ss.begin(desk.Actor{})
	}
	ss.begin(desk.Actor{})
	if ss.of(request(first)) != nil || len(ss.byID) != maxSessions {
		t.Errorf("the session that ends first made no room: %d", len(ss.byID))
	}
}

// Forms of one page make the same ids each time; another session's do not.
func TestSeedsOfForms(t *testing.T) {
	a, b := &session{csrf: "a"}, &session{csrf: "b"}
	again := &session{csrf: "a"}
	if a.seed("1") != again.seed("1") || a.seed("1") == a.seed("2") || a.seed("1") == b.seed("1") {
		t.Error("seeds do not follow session and number")
	}
}

func TestTries(t *testing.T) {
	tr := newTries()
	for range triesAllowed {
		if !tr.allowed("192.0.2.1") {
			t.Fatal("stopped too early")
		}
		tr.failed("192.0.2.1")
	}
	if tr.allowed("192.0.2.1") || !tr.allowed("192.0.2.2") {
		t.Error("the limit is not the peer's own")
	}
	tr.by["192.0.2.1"].until = time.Now().Add(-time.Second)
	if !tr.allowed("192.0.2.1") {
		t.Error("it never ends")
	}
}
