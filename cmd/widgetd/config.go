package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"github.com/widgetd/widgetd/app"
)

// configCommand prints the settings. It exits with 1 if a value cannot be used.
type configCommand struct{}

// Help implements [kong.HelpProvider].
func (configCommand) Help() string {
	return `Each line has the setting, its value, and where the value comes from: a flag, a variable, a file or the default.
Secrets are not shown. The settings are checked as far as that is possible without opening the store.

Example:

    widgetd config --token-ttl 30m`
}

// sources tells where the values of variables come from.
type sources struct {
	files []string   // the variables that were read from files
	bad   []badValue // the variables that cannot be parsed
}

// badValue is the value of a variable that cannot be parsed.
type badValue struct {
	variable, text string
	err            error
}

// takeBadValues returns the variables with values that cannot be parsed, and unsets them,
// so that the arguments can be parsed.
func takeBadValues(model *kong.Application) (bad []badValue) {
	for _, flag := range model.Flags {
		for _, variable := range flag.Envs {
			text, isSet := os.LookupEnv(variable)
			if !isSet {
				continue
			}
			if err := parse(flag, text); err != nil {
				bad = append(bad, badValue{variable, text, err})
				_ = os.Unsetenv(variable) // fails only for an impossible name
			}
		}
	}
	return bad
}

// parse returns an error if the text is no value of the flag.
func parse(flag *kong.Flag, text string) error {
	target := reflect.New(flag.Target.Type()).Elem()
	scan := kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: text})
	if err := flag.Parse(scan, target); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), flag.ShortSummary()+": "))
	}
	if flag.Enum != "" && !flag.EnumMap()[fmt.Sprint(target)] {
		return fmt.Errorf("must be one of %s", strings.Join(flag.EnumSlice(), ", "))
	}
	return nil
}

// Run implements the command.
func (configCommand) Run(command *kong.Context, settings *settings, std streams, from sources) error {
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	config := settings.config()
	for _, flag := range command.Model.Flags {
		if len(flag.Envs) > 0 {
			value, source := from.ofFlag(command, flag)
			fmt.Fprintf(table, "--%s\t%s\t%s\n", flag.Name, value, source)
		}
	}
	for _, variable := range []struct{ name, value string }{
		{secretKeyVariable, hidden(config.SecretKey)},
		{previousSecretKeysVariable, hidden(os.Getenv(previousSecretKeysVariable))},
		{introspectionSecretVariable, hidden(config.IntrospectionSecret)},
		{adminEmailVariable, config.AdminEmail},
		{adminPasswordVariable, hidden(config.AdminPassword)},
	} {
		source := "default"
		if variable.value != "" {
			source = from.ofVariable(variable.name)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", variable.name, variable.value, source)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return from.report(std.out, config)
}

// ofFlag returns the value of a flag, and where it comes from.
func (s sources) ofFlag(command *kong.Context, flag *kong.Flag) (value, source string) {
	variable := flag.Envs[0]
	if i := slices.IndexFunc(s.bad, func(bad badValue) bool { return bad.variable == variable }); i >= 0 {
		return shown(variable, s.bad[i].text), "bad value of " + variable
	}
	value = shown(variable, textOf(command.FlagValue(flag)))
	isArgument := slices.ContainsFunc(command.Path, func(p *kong.Path) bool { return p.Flag == flag && !p.Resolved })
	_, isSet := os.LookupEnv(variable)
	switch {
	case isArgument:
		return value, "flag"
	case isSet:
		return value, s.ofVariable(variable)
	}
	return value, "default"
}

// ofVariable returns the name of a variable, or that of the variable with the path of its
// file if the value was read from a file.
func (s sources) ofVariable(name string) string {
	if slices.Contains(s.files, name) {
		return name + fileSuffix
	}
	return name
}

// report prints the problems of the settings and the unknown variables. It returns an
// error if there is a problem.
func (s sources) report(to io.Writer, config app.Config) error {
	problems := s.problems(config)
	for _, text := range problems {
		fmt.Fprintln(to, "problem:", oneLine(text))
	}
	for _, unknown := range unknownVariables() {
		fmt.Fprintln(to, unknown)
	}
	switch len(problems) {
	case 0:
		return nil
	case 1:
		return errors.New("a setting has a value that cannot be used")
	}
	return fmt.Errorf("%d settings have values that cannot be used", len(problems))
}

// problems returns what is wrong with the settings. The files of keys are read only if the
// settings themselves are right.
func (s sources) problems(config app.Config) (texts []string) {
	for _, bad := range s.bad {
		texts = append(texts, variableName(bad.variable)+": "+bad.err.Error())
	}
	problems := config.Problems()
	for _, problem := range problems {
		texts = append(texts, errorText(problem))
	}
	if config.MongoDBURI != "" && config.SecretKey == "" && config.SigningKey == "" {
		texts = append(texts, secretKeyVariable+" must be set with MongoDB: servers that share a store must share the key")
	}
	if len(problems) == 0 {
		if err := config.CheckKeys(); err != nil {
			texts = append(texts, errorText(err))
		}
	}
	return texts
}

// shown returns a value without a secret.
func shown(variable, value string) string {
	switch variable {
	case mongoDBURIVariable:
		return withoutSecrets(value)
	case baseURLVariable:
		return userinfo.ReplaceAllString(value, "://***@")
	}
	return value
}

// hidden returns a text with the length of a secret, or "" if the secret is not set.
func hidden(secret string) string {
	if secret == "" {
		return ""
	}
	return fmt.Sprintf("(hidden, %d bytes)", len(secret))
}

var (
	scheme        = regexp.MustCompile(`^mongodb(\+srv)?://`)
	userinfo      = regexp.MustCompile(`://.*@`)
	secretOptions = regexp.MustCompile(`(?i)([a-z]*password|authmechanismproperties)=[^&]*`)
)

// withoutSecrets returns a URI of MongoDB without its user name, its password, and the
// options that hold secrets. It hides a text that is no such URI: the text may hold a
// password at any place.
func withoutSecrets(uri string) string {
	if !scheme.MatchString(uri) {
		return hidden(uri)
	}
	return secretOptions.ReplaceAllString(userinfo.ReplaceAllString(uri, "://***@"), "$1=***")
}

// textOf returns the value of a flag as it is written on the command line.
func textOf(value any) string {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(value)
	}
	texts := make([]string, v.Len())
	for i := range texts {
		texts[i] = fmt.Sprint(v.Index(i).Interface())
	}
	return strings.Join(texts, ",")
}
