package main

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// drawChart writes a chart to the file: a bar for each ratio, with its range and a mark
// for its target.
func drawChart(file string, comparisons []result) error {
	p := plot.New()
	p.Title.Text = "Requests per second, relative to the opponent"
	p.X.Min = 0
	p.X.Tick.Marker = plot.ConstantTicks([]plot.Tick{{Value: 0, Label: "0"}, {Value: 0.25, Label: "0.25"}, {Value: 0.5, Label: "0.5"}, {Value: 0.75, Label: "0.75"}, {Value: 1, Label: "1"}, {Value: 1.5, Label: "1.5"}, {Value: 2, Label: "2"}})
	shown := slices.Clone(comparisons)
	slices.Reverse(shown) // so that the first is at the top
	var (
		names   []string
		ratios  plotter.Values
		spreads errorBars
		targets plotter.XYs
	)
	for i, c := range shown {
		names = append(names, c.Operation+" / "+c.Opponent.Name)
		ratios = append(ratios, c.Ratio.Median)
		spreads.XYs = append(spreads.XYs, plotter.XY{X: c.Ratio.Median, Y: float64(i)})
		spreads.XErrors = append(spreads.XErrors, struct{ Low, High float64 }{c.Ratio.Median - c.Ratio.Lowest, c.Ratio.Highest - c.Ratio.Median})
		if c.Target.Of == byRequests {
			targets = append(targets, plotter.XY{X: c.Target.Limit, Y: float64(i)})
		}
		p.X.Max = max(p.X.Max, min(c.Ratio.Highest, 2.5))
	}
	bars, err := plotter.NewBarChart(ratios, vg.Points(14))
	if err != nil {
		return err
	}
	bars.Horizontal, bars.Color, bars.LineStyle.Width = true, color.RGBA{R: 0x4c, G: 0x8b, B: 0xf5, A: 0xff}, 0
	ranges, err := plotter.NewXErrorBars(spreads)
	if err != nil {
		return err
	}
	marks, err := plotter.NewScatter(targets)
	if err != nil {
		return err
	}
	marks.Shape, marks.Color, marks.Radius = plotutil.Shape(3), color.RGBA{R: 0xd9, G: 0x30, B: 0x25, A: 0xff}, vg.Points(4)
	p.Add(bars, ranges, marks)
	p.Legend.Add("median, lowest and highest of the rounds", bars)
	p.Legend.Add("target", marks)
	p.Legend.Top = true
	p.NominalY(names...)
	if err := p.Save(8*vg.Inch, vg.Length(len(names)+2)*vg.Points(26), file); err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	return nil
}

// errorBars implements the interface that plotter.NewXErrorBars takes.
type errorBars struct {
	plotter.XYs
	plotter.XErrors
}
