//go:build !race

package scenario

const (
	atOnce     = 12 // stories that are played side by side: they mostly wait
	everyStory = 1  // which of them are played
)
