package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"gocker/image"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bars shows the layers of a pull on a terminal: a line each, which changes in place,
// with a bar while the layer is downloaded. The cursor rests below the last line.
type bars struct {
	out     *os.File
	columns int
	lines   int // written so far
	rows    int // of the screen
	layers  map[string]*bar
}

// bar is one layer's line.
type bar struct {
	*bars
	line     int
	id       string
	progress *progressbar.ProgressBar // nil before the first byte
}

// newBars returns nil when out is not a terminal that can show them.
func newBars(out *os.File) *bars {
	columns, rows, err := term.GetSize(int(out.Fd()))
	if err != nil || columns < 40 || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &bars{out: out, columns: columns, rows: rows, layers: make(map[string]*bar)}
}

func (b *bars) show(e image.Event) {
	l := b.layers[e.Layer]
	if l == nil {
		l = &bar{bars: b, line: b.lines, id: e.Layer}
		b.layers[e.Layer] = l
		b.lines++
		fmt.Fprintln(b.out)
	}
	if e.State != image.Downloading {
		l.draw(e.Layer + ": " + layerState(e.State))
		return
	}
	if l.progress == nil {
		l.progress = progressbar.NewOptions64(e.Total,
			progressbar.OptionSetWriter(l),
			progressbar.OptionSetDescription(e.Layer+": Downloading"),
			progressbar.OptionSetWidth(max(10, min(50, b.columns-70))),
			progressbar.OptionShowBytes(true),
			progressbar.OptionShowCount(),
			progressbar.OptionShowTotalBytes(true),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionThrottle(80*time.Millisecond),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
		)
	}
	_ = l.progress.Set64(e.Done) // it fails only as the terminal does
}

// Write takes what the progress bar draws on a line that it believes is its own.
func (l *bar) Write(p []byte) (int, error) {
	if text := strings.Trim(string(p), "\r\n "); text != "" {
		l.draw(text)
	}
	return len(p), nil
}

// draw replaces the layer's line. One that has left the screen at the top stays.
func (l *bar) draw(text string) {
	up := l.lines - l.line
	if up >= l.rows {
		return
	}
	if runes := []rune(text); len(runes) >= l.columns {
		text = string(runes[:l.columns-1]) // a line that wraps would be two
	}
	fmt.Fprintf(l.out, "\x1b[%dA\r\x1b[2K%s\x1b[%dB\r", up, text, up)
}
