package console

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/resetd/resetd/internal/desk"
)

// seenBody is the page of what receivers reported about a domain.
type seenBody struct {
	desk.SeenView
	Span   int // days
	Spans  []int
	Charts []chart
	Quiet  bool // nothing was reported
}

// reports shows what receivers reported. days stands in the URL; the domain, one of ours, too.
func (c *Console) reports(v *visit) {
	days, _ := strconv.Atoi(v.r.URL.Query().Get("days"))
	view, err := c.Desk.Seen(v.r.Context(), v.by, v.r.PathValue("domain"), days)
	if err != nil {
		c.fail(v, err)
		return
	}
	b := seenBody{SeenView: view, Span: len(view.Days), Spans: []int{7, 30, 92}, Charts: chartsOf(view), Quiet: len(view.By) == 0}
	c.show(v.w, v.s, http.StatusOK, "seen", page{Title: "Reports about " + view.Domain, Tab: "domains", Body: b})
}

// chart is a row of stacked bars, one a day. Lengths are units of its view box.
type chart struct {
	ID     string
	Title  string
	Says   string // what a reader sees at a glance, for those who do not
	Top    int64  // the highest bar, in mails
	Bars   []bar
	Series []series // from the ground up
}

type series struct{ Class, Name string }

type bar struct {
	X, Width float64
	Label    string // for the pointer
	Parts    []barPart
	Day      string // "" = has no label below
}

type barPart struct {
	Class     string
	Y, Height float64
}

// The view box of a chart, and the room left for its numbers.
const (
	chartWidth, chartHeight = 640.0, 180.0
	chartLeft, chartGround  = 44.0, 150.0
	chartTop                = 10.0
)

// chartsOf draws our own mail, mail in our name from elsewhere, and attempts at TLS, where there are any.
func chartsOf(v desk.SeenView) []chart {
	var out []chart
	draw := func(id, title string, kinds []series, counts func(desk.SeenDay) []int64) {
		c := chart{ID: id, Title: title, Series: kinds}
		sums := make([]int64, len(kinds))
		for _, d := range v.Days {
			var all int64
			for i, n := range counts(d) {
				all += n
				sums[i] += n
			}
			c.Top = max(c.Top, all)
		}
		if c.Top == 0 {
			return
		}
		for i, k := range kinds {
			if i > 0 {
				c.Says += ", "
			}
			c.Says += fmt.Sprintf("%s: %d", k.Name, sums[i])
		}
		step := (chartWidth - chartLeft) / float64(len(v.Days))
		for i, d := range v.Days {
			b := bar{X: chartLeft + float64(i)*step + step*.1, Width: step * .8, Label: d.Day.Format("Mon 2 Jan")}
			if i%max(1, len(v.Days)/6) == 0 {
				b.Day = d.Day.Format("2 Jan")
			}
			y := chartGround
			for j, n := range counts(d) {
				if n == 0 {
					continue
				}
				h := max(1, float64(n)/float64(c.Top)*(chartGround-chartTop))
				y -= h
				b.Parts = append(b.Parts, barPart{kinds[j].Class, y, h})
				b.Label += fmt.Sprintf(", %s: %d", kinds[j].Name, n)
			}
			c.Bars = append(c.Bars, b)
		}
		out = append(out, c)
	}
	draw("own", "Our own mail", []series{{"fine", "passed"}, {"half", "failed DKIM, passed by SPF"}, {"lost", "failed DMARC"}}, func(d desk.SeenDay) []int64 {
		return []int64{d.Own.Mails - d.Own.DKIMFailed, d.Own.DKIMFailed - d.Own.Failed, d.Own.Failed}
	})
	draw("others", "Mail in our name from elsewhere", []series{{"fine", "forwarded"}, {"other", "from unknown sources"}}, func(d desk.SeenDay) []int64 {
		return []int64{d.Forwarded.Mails, d.Unknown.Mails}
	})
	draw("tls", "Attempts to reach us over TLS", []series{{"fine", "went well"}, {"lost", "failed"}}, func(d desk.SeenDay) []int64 {
		return []int64{d.Attempts - d.TLSFailed, d.TLSFailed}
	})
	return out
}
