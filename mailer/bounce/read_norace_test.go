//go:build !race

package bounce

const raceDetector = false
