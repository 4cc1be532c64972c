// Command goja runs the workload as GOTRS runs lambdas: a new engine for each row and field, into which the source is parsed again.
//
// It reads the workload from standard input and answers with results and times on standard output. `cargo xtask bench-sandbox`
// starts it, compares the results with those of the sandbox and writes docs/performance.md.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
)

type lambda struct {
	Name   string `json:"name"`
	Source string `json:"source"`
}

type workload struct {
	Lambdas []lambda         `json:"lambdas"`
	Rows    []map[string]any `json:"rows"`
}

type times struct {
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
}

type answer struct {
	Results [][]any          `json:"results"`
	Times   map[string]times `json:"times"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "goja:", err)
		os.Exit(1)
	}
}

func run() error {
	var work workload
	if err := json.NewDecoder(os.Stdin).Decode(&work); err != nil {
		return fmt.Errorf("reading the workload: %w", err)
	}
	results, err := batch(work.Lambdas, work.Rows[:100])
	if err != nil {
		return err
	}
	given := answer{Results: results, Times: map[string]times{}}
	single := []lambda{{Name: "one", Source: "return 1"}}
	for _, one := range []struct {
		name    string
		lambdas []lambda
		rows    []map[string]any
		turns   int
	}{
		{"single", single, work.Rows[:1], 1000},
		{"rows-25", work.Lambdas, work.Rows[:25], 40},
		{"rows-100", work.Lambdas, work.Rows[:100], 20},
		{"rows-1000", work.Lambdas, work.Rows, 5},
		{"rows-100-1kb", work.Lambdas, padded(work.Rows[:100]), 20},
	} {
		taken, err := measure(one.turns, func() error {
			_, err := batch(one.lambdas, one.rows)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		given.Times[one.name] = taken
	}
	return json.NewEncoder(os.Stdout).Encode(given)
}

// padded adds a kilobyte to each row that no lambda reads.
func padded(rows []map[string]any) []map[string]any {
	wide := make([]map[string]any, 0, len(rows))
	for _, row := range rows {
		copied := map[string]any{}
		for name, value := range row {
			copied[name] = value
		}
		copied["other"] = strings.Repeat("x", 1000)
		wide = append(wide, copied)
	}
	return wide
}

func measure(turns int, work func() error) (times, error) {
	taken := make([]time.Duration, 0, turns)
	for turn := range turns + (turns+9)/10 {
		started := time.Now()
		if err := work(); err != nil {
			return times{}, err
		}
		// The first tenth warms up.
		if turn >= (turns+9)/10 {
			taken = append(taken, time.Since(started))
		}
	}
	slices.Sort(taken)
	percentile := func(percent int) float64 {
		index := max((len(taken)*percent+99)/100-1, 0)
		return float64(taken[index].Nanoseconds()) / 1000
	}
	return times{P50: percentile(50), P99: percentile(99)}, nil
}

// batch computes each field of each row in an engine of its own.
func batch(lambdas []lambda, rows []map[string]any) ([][]any, error) {
	results := make([][]any, 0, len(rows))
	for _, row := range rows {
		cells := make([]any, 0, len(lambdas))
		for _, lambda := range lambdas {
			value, err := cell(lambda.Source, row)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", lambda.Name, err)
			}
			cells = append(cells, value)
		}
		results = append(results, cells)
	}
	return results, nil
}

func cell(source string, row map[string]any) (any, error) {
	vm := goja.New()
	for name, value := range map[string]any{
		"item":         row,
		"formatNumber": formatNumber,
		"formatDate":   formatDate,
		"html":         html,
	} {
		if err := vm.Set(name, value); err != nil {
			return nil, err
		}
	}
	value, err := vm.RunString("(function () {\n" + source + "\n})()")
	if err != nil {
		return nil, err
	}
	return value.Export(), nil
}

var thousands = regexp.MustCompile(`^(-?\d+?)((?:\d{3})*)(\.\d+)?$`)

// formatNumber writes 1234.5 with two decimals as 1,234.50.
func formatNumber(number float64, decimals int) string {
	text := strconv.FormatFloat(number, 'f', decimals, 64)
	parts := thousands.FindStringSubmatch(text)
	if parts == nil {
		return text
	}
	grouped := parts[1]
	for at := 0; at < len(parts[2]); at += 3 {
		grouped += "," + parts[2][at:at+3]
	}
	return grouped + parts[3]
}

func formatDate(text string) string {
	parsed, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		return text
	}
	return parsed.Format("Jan 2, 2006 3:04 PM")
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// html is the template tag: the interpolated values are escaped.
func html(texts []string, values ...any) string {
	var markup strings.Builder
	for at, text := range texts {
		markup.WriteString(text)
		if at < len(values) {
			markup.WriteString(escaper.Replace(fmt.Sprint(values[at])))
		}
	}
	return markup.String()
}
