package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/weirproject/weir/internal/flow"
)

// progress shows how far a copy is: a bar with rate and time left on a terminal, a plain line now and then elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	bar      *progressbar.ProgressBar
	barFor   string
	phase    flow.Phase
	began    time.Time // of the phase
	slow     bool      // it was said that it takes long
	lastLine time.Time
	lastRows int64
}

const lineEvery = 5 * time.Second

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) show(s flow.Status) {
	var rows, total int64
	for _, t := range s.Tables {
		rows += t.Rows
		total += max(t.Estimate, t.Rows)
	}
	if s.Phase == flow.Copying {
		p.step("copying", rows, total)
	}
	if s.Phase == p.phase {
		if s.Phase == flow.Planning && !p.slow && time.Since(p.began) > lineEvery {
			p.slow = true
			p.line("still asking production for a moment to begin at: a lock there makes us wait, and every transaction that is writing, until it ends")
		}
		return
	}
	p.phase, p.began, p.slow = s.Phase, time.Now(), false
	switch s.Phase {
	case flow.Following:
		p.end()
		p.line("following production, %s rows copied", count(rows))
	case flow.Waiting:
		p.end()
		p.line("waiting: %s", s.Reason)
	case flow.Stopped, flow.Planning, flow.Copying:
	}
}

func (p *progress) verifying(table string, rows int64) { p.step("verifying "+table, rows, -1) }

// step moves the bar called what; a total of -1 is not known.
func (p *progress) step(what string, rows, total int64) {
	if p.terminal {
		if p.bar == nil || p.barFor != what {
			p.end()
			p.barFor = what
			p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
				progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
		}
		if total > 0 && total != p.bar.GetMax64() {
			p.bar.ChangeMax64(total)
		}
		_ = p.bar.Set64(rows)
		return
	}
	since := time.Since(p.lastLine)
	if since < lineEvery {
		return
	}
	rate := ""
	if !p.lastLine.IsZero() && rows > p.lastRows {
		perSecond := float64(rows-p.lastRows) / since.Seconds()
		rate = fmt.Sprintf(", %s rows/s", count(int64(perSecond)))
		if total > rows {
			rate += fmt.Sprintf(", about %s left", time.Duration(float64(total-rows)/perSecond*float64(time.Second)).Round(time.Second))
		}
	}
	of := ""
	if total > 0 {
		of = " of about " + count(total)
	}
	p.line("%s: %s%s rows%s", what, count(rows), of, rate)
	p.lastLine, p.lastRows = time.Now(), rows
}

func (p *progress) line(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, "weir: "+format+"\n", args...)
}

// end takes the bar away; it may be called twice.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
