package main

import (
	"encoding/json"
	"io"
)

// printArray prints a JSON array with one item on each line.
func printArray[T any](to io.Writer, items []T) error {
	text, end := []byte("["), "]\n"
	for i, item := range items {
		line, err := json.Marshal(item)
		if err != nil {
			return err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(text, '\n'), line...)
		end = "\n]\n"
	}
	_, err := to.Write(append(text, end...))
	return err
}
