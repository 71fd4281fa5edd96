package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// script writes a shell script and returns its path.
func script(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStartProgramReturnsTheLogOfAProgramThatEnds(t *testing.T) {
	t.Parallel()
	_, err := startProgram(t.Context(), script(t, "echo no such store >&2; exit 3"), filepath.Join(t.TempDir(), "log"))
	wantError(t, err, "no such store")
	wantError(t, err, "exit status 3")
}

func TestStartProgram(t *testing.T) {
	t.Parallel()
	program := script(t, `echo starting >&2; echo "{\"msg\":\"listening\",\"addr\":\"$WIDGETD_A\"}" >&2; exec sleep 60`)
	p, err := startProgram(t.Context(), program, filepath.Join(t.TempDir(), "log"), "WIDGETD_A=host:1")
	if err != nil {
		t.Fatal(err)
	}
	if p.addr != "host:1" || p.started <= 0 {
		t.Errorf("the program listens at %q after %v, want host:1 after more than 0", p.addr, p.started)
	}
	most, err := p.peak(func() error { return nil })
	if err != nil || most <= 0 {
		t.Errorf("the peak memory is %d, error %v; want more than 0", most, err)
	}
	began := time.Now()
	if err := p.end(); err == nil || !strings.Contains(err.Error(), "terminated") || time.Since(began) > 30*time.Second {
		t.Errorf("end returned %v after %v, want an error that says terminated", err, time.Since(began))
	}
}

func TestWithoutSettings(t *testing.T) {
	t.Parallel()
	got := withoutSettings([]string{"PATH=/bin", "WIDGETD_DATA=/data", "OTEL_SDK_DISABLED=true", "MY_WIDGETD_=1"})
	if want := []string{"PATH=/bin", "MY_WIDGETD_=1"}; !slices.Equal(got, want) {
		t.Errorf("withoutSettings = %v, want %v", got, want)
	}
}
