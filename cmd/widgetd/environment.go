package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// variablePrefix begins the names of all our environment variables.
const variablePrefix = "WIDGETD_"

// unsetEmpty unsets our variables that are empty. Deployment tools often set an
// empty variable for a setting that has no value.
func unsetEmpty() {
	for name, value := range variables() {
		if value == "" {
			_ = os.Unsetenv(name) // fails only for an impossible name
		}
	}
}

// checkLineEnds returns an error if one of our variables ends in a line end. The
// line end comes from the file that the value was read from, and a password with
// one cannot be typed. The error does not show the value, which may be a secret.
func checkLineEnds() error {
	for name, value := range variables() {
		if endsInLineEnd(value) {
			return fmt.Errorf("%s ends in a line end: set it to the text without the line end", variableName(name))
		}
	}
	return nil
}

func endsInLineEnd(text string) bool {
	return strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\r")
}

// fileSuffix ends the name of a variable that names a file with a secret:
// WIDGETD_SECRET_KEY_FILE names the file with the value of WIDGETD_SECRET_KEY.
const fileSuffix = "_FILE"

// secretVariables returns the variables whose values may be read from files, because they
// hold secrets.
func secretVariables() []string {
	return []string{secretKeyVariable, previousSecretKeysVariable, introspectionSecretVariable, adminPasswordVariable, mongoDBURIVariable}
}

// readFiles sets each secret variable whose file is named by another variable (see
// fileSuffix). It returns the variables that it has set. It returns an error if both
// variables are set, or if the file cannot be used.
func readFiles() (read []string, err error) {
	values := variables()
	for _, name := range secretVariables() {
		path, isSet := values[name+fileSuffix]
		if !isSet {
			continue
		}
		if _, isSet := values[name]; isSet {
			return nil, fmt.Errorf("%s and %s are both set: unset one of them", name, name+fileSuffix)
		}
		value, err := readValue(name, path)
		if err == nil {
			err = os.Setenv(name, value)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name+fileSuffix, err)
		}
		read = append(read, name)
	}
	return read, nil
}

// readValue returns the content of a file without one line end at its end. It returns an
// error if the variable cannot have the content as its value. Only the list of previous
// secrets may be empty.
func readValue(variable, path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case value == "" && variable != previousSecretKeysVariable:
		return "", fmt.Errorf("the file %s is empty", path)
	case strings.ContainsRune(value, 0):
		return "", fmt.Errorf("the file %s has a NUL character, which no text has", path)
	case endsInLineEnd(value):
		return "", fmt.Errorf("the file %s ends in more than one line end: remove all but one", path)
	}
	return value, nil
}

// variables returns our environment variables and their values.
func variables() map[string]string {
	values := map[string]string{}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, variablePrefix) {
			values[name] = value
		}
	}
	return values
}

// variableName returns the name of a variable, with the flag of the same setting if
// there is one: "--addr (WIDGETD_ADDR)".
func variableName(name string) string {
	for flag := range reflect.TypeFor[settings]().Fields() {
		if flag.Tag.Get("env") == name {
			return "--" + flag.Tag.Get("name") + " (" + name + ")"
		}
	}
	return name
}
