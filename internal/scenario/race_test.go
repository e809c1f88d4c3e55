//go:build race

package scenario

// With the race detector a world costs many times as much: fewer are up at once, and every third story is played. All of them are played
// without it by make scenarios, and against the real binary by cmd/resetd's tests.
const (
	atOnce     = 4
	everyStory = 3
)
