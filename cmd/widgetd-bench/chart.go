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

// drawChart draws a bar for each ratio, with its spread, and a mark for its target.
func drawChart(file string, comparisons []result) error {
	p := plot.New()
	p.Title.Text = "widgetd's share of the speed of what it is made of"
	p.X.Min = 0
	p.X.Tick.Marker = plot.ConstantTicks([]plot.Tick{{Value: 0, Label: "0"}, {Value: 0.25, Label: "0.25"}, {Value: 0.5, Label: "0.5"}, {Value: 0.75, Label: "0.75"}, {Value: 1, Label: "1"}})
	shown := slices.Clone(comparisons)
	slices.Reverse(shown) // the first on top
	var (
		names   []string
		ratios  plotter.Values
		spreads spread
		targets plotter.XYs
	)
	for i, c := range shown {
		names = append(names, c.What+" / "+c.Base.Name)
		ratios = append(ratios, c.Ratio)
		spreads.XYs = append(spreads.XYs, plotter.XY{X: c.Ratio, Y: float64(i)})
		spreads.XErrors = append(spreads.XErrors, struct{ Low, High float64 }{c.Ratio - c.Least, c.Greatest - c.Ratio})
		if c.Target > 0 {
			targets = append(targets, plotter.XY{X: c.Target, Y: float64(i)})
		}
		p.X.Max = max(p.X.Max, min(c.Greatest, 2))
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
	p.Legend.Add("median, least and greatest of the rounds", bars)
	p.Legend.Add("wanted", marks)
	p.Legend.Top = true
	p.NominalY(names...)
	if err := p.Save(8*vg.Inch, vg.Length(len(names)+2)*vg.Points(26), file); err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	return nil
}

// spread is points with what plotter.NewXErrorBars wants to know of them.
type spread struct {
	plotter.XYs
	plotter.XErrors
}
