package diag

import (
	"strings"
	"time"
)

// window is the time that the case rests upon: from the newest mail's birth, or a day back when nobody asked.
func (v *view) window() time.Time {
	if v.told == nil {
		return v.now.Add(-day)
	}
	return v.born
}

func (v *view) overlaps(b Blind) bool {
	return !b.From.After(v.now) && (b.To.IsZero() || b.To.After(v.window()))
}

// blindFor tells whether a sensor could not see in some part of the window.
func (v *view) blindFor(sensor string) bool {
	if sensor == "bounces" && !v.in.Bounces {
		return true
	}
	for _, b := range v.in.Blind {
		if v.isSensor(b, sensor) && v.overlaps(b) {
			return true
		}
	}
	return false
}

// returnSensor begins the name of the way back for bounces of one route, as loop checks see it.
const returnSensor = "return:"

// isSensor tells whether a blind spot is one of a sensor. The way back for bounces of the mail's own route belongs to "bounces".
func (v *view) isSensor(b Blind, sensor string) bool {
	return b.Sensor == sensor || sensor == "bounces" && v.mail != nil && b.Sensor == returnSensor+v.mail.Route
}

// stillBlind says since when a sensor has not been able to see; false = it sees.
func (v *view) stillBlind(sensor string) (time.Time, bool) {
	for _, b := range v.in.Blind {
		if v.isSensor(b, sensor) && v.overlaps(b) && (b.To.IsZero() || b.To.After(v.now)) {
			return b.From, true
		}
	}
	return time.Time{}, false
}

// blindSpots tells what could not be seen in the window.
func (v *view) blindSpots() []string {
	var out []string
	if !v.in.Bounces && v.wasAccepted() {
		out = append(out, "no way back for bounces is configured, so a returned mail cannot reach us")
	}
	for _, b := range v.in.Blind {
		if route, ok := strings.CutPrefix(b.Sensor, returnSensor); ok && v.mail != nil && v.mail.Route != route {
			continue // another route's
		}
		if !v.overlaps(b) {
			continue
		}
		if b.To.IsZero() || b.To.After(v.now) {
			out = append(out, still(b.Sensor)+" since "+v.at(b.From))
		} else {
			out = append(out, was(b.Sensor)+" between "+v.at(b.From)+" and "+v.at(b.To))
		}
	}
	if seen := v.returnsSeen(); seen != "" {
		out = append(out, seen)
	}
	if u := v.in.Directory.Unavailable; u != nil {
		out = append(out, "the directory does not answer now"+led(": ", quote(u.Detail)))
	}
	return out
}

func still(sensor string) string {
	if route, ok := strings.CutPrefix(sensor, returnSensor); ok {
		return "bounces of mail by the route " + quote(route) + " have not been able to reach us, as the loop check shows,"
	}
	switch sensor {
	case "intake":
		return "asks have not been able to reach us"
	case "bounces":
		return "bounces have not been able to reach us"
	case "worker":
		return "no worker has been running"
	case "directory":
		return "the directory has not answered"
	case "dns":
		return "DNS has not answered"
	}
	return "we have not been able to see " + sensorName(sensor)
}

func was(sensor string) string {
	if route, ok := strings.CutPrefix(sensor, returnSensor); ok {
		return "bounces of mail by the route " + quote(route) + " could not reach us, as the loop check shows,"
	}
	switch sensor {
	case "intake":
		return "asks could not reach us"
	case "bounces":
		return "bounces could not reach us"
	case "worker":
		return "no worker was running"
	case "directory":
		return "the directory did not answer"
	case "dns":
		return "DNS did not answer"
	}
	return "we could not see " + sensorName(sensor)
}

// wasAccepted tells whether a host took the newest mail.
func (v *view) wasAccepted() bool {
	return v.told != nil && !v.gen.Accepted.IsZero()
}
