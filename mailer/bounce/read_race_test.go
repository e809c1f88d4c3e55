//go:build race

package bounce

// raceDetector tells tests that count memory that the detector's own is among it.
const raceDetector = true
