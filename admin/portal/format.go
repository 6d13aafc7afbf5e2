package portal

import (
	"fmt"
	"html/template"
	"strconv"
	"time"
)

// longTime returns t for people: to the minute, in UTC.
func longTime(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }

// day returns the date of t.
func day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// relative returns how far t is from now, in the largest unit that fits.
func (h *Handler) relative(v any) string {
	t, ok := v.(time.Time)
	if !ok {
		return ""
	}
	return relative(t.Sub(h.now()))
}

func relative(d time.Duration) string {
	past := d < 0
	d = d.Abs()
	const day = 24 * time.Hour
	var n int
	var unit string
	switch {
	case d < time.Minute:
		if past {
			return "just now"
		}
		return "within a minute"
	case d < time.Hour:
		n, unit = int(d/time.Minute), "minute"
	case d < 2*day:
		n, unit = int(d/time.Hour), "hour"
	case d < 100*day:
		n, unit = int(d/day), "day"
	case d < 730*day: // to the day: what was made for 180 days ends in 6 months
		n, unit = int((d+day)/(30*day)), "month"
	default:
		n, unit = int(d/(365*day)), "year"
	}
	if n != 1 {
		unit += "s"
	}
	if past {
		return fmt.Sprintf("%d %s ago", n, unit)
	}
	return fmt.Sprintf("in %d %s", n, unit)
}

// grouped returns n with its thousands apart.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// icons are drawn on a square of 24 by strokes of the text's colour.
var icons = map[string]string{
	"clients":   `<rect x="3" y="4" width="18" height="7" rx="2"/><rect x="3" y="13" width="18" height="7" rx="2"/><path d="M7 7.5h.01M7 16.5h.01"/>`,
	"resources": `<path d="m12 3 9 5-9 5-9-5z"/><path d="m3 13 9 5 9-5"/>`,
	"audit":     `<path d="M12 8v4l3 2"/><circle cx="12" cy="12" r="9"/>`,
	"refusals":  `<circle cx="12" cy="12" r="9"/><path d="M9.2 9a3 3 0 1 1 4 3.2c-.8.4-1.2 1-1.2 1.8M12 17.2h.01"/>`,
	"tokens":    `<path d="M3 9.5a2.5 2.5 0 0 1 0 5V18h18v-3.5a2.5 2.5 0 0 1 0-5V6H3z"/><path d="M14 6.5v11" stroke-dasharray="2 2.6"/>`,
	"copy":      `<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15H4V4h11v1"/>`,
	"plus":      `<path d="M12 5v14M5 12h14"/>`,
	"search":    `<circle cx="11" cy="11" r="7"/><path d="m20 20-4-4"/>`,
	"key":       `<circle cx="8" cy="15" r="4"/><path d="m11 12 9-9M16 7l3 3"/>`,
	"warn":      `<path d="M12 4 2.5 20h19z"/><path d="M12 10v4M12 17h.01"/>`,
	"error":     `<circle cx="12" cy="12" r="9"/><path d="M12 7.5v5M12 16h.01"/>`,
	"ok":        `<circle cx="12" cy="12" r="9"/><path d="m8 12.5 2.7 2.7L16 9.5"/>`,
	"close":     `<path d="m6 6 12 12M18 6 6 18"/>`,
	"trash":     `<path d="M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13"/>`,
	"out":       `<path d="M14 4h5v16h-5M10 12H3m0 0 3-3m-3 3 3 3" transform="matrix(-1 0 0 1 24 0)"/>`,
	"back":      `<path d="m14 6-6 6 6 6"/>`,
	"next":      `<path d="m10 6 6 6-6 6"/>`,
	"up":        `<path d="M12 19V5M6 11l6-6 6 6"/>`,
	"down":      `<path d="M12 5v14M6 13l6 6 6-6"/>`,
	"terminal":  `<path d="m5 7 5 5-5 5M12 17h7"/>`,
	"upload":    `<path d="M12 16V4M7 9l5-5 5 5M4 16v4h16v-4"/>`,
	"logo":      `<path d="M12 2.5 20 7v10l-8 4.5L4 17V7z"/><circle cx="12" cy="11" r="2.4"/><path d="M12 13.4V17"/>`,
}

// icon returns a drawing that says nothing by itself: the words stand beside it.
func icon(name string) (template.HTML, error) {
	paths, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">` + paths + `</svg>`), nil // #nosec G203 -- all of it is a constant
}
