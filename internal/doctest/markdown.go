// Package doctest reads Markdown files and runs the commands in them.
//
// A block that begins with ```console has commands, each after "$ ", and the lines that they
// print. A command continues on the lines that begin with "> ". One bash runs all commands of
// a file, in order, in a new and empty folder, so that variables and files are kept:
//
//	$ echo 'correct horse' | widgetd users add ada@example.com --admin
//	widgetd: created a new, empty store in the folder /srv/widgets/widgetd-data
//	added administrator ada@example.com
//	$ widgetd
//	$ curl -s http://127.0.0.1:8080/healthz
//	{"status":"ok"}
//	$ pkill widgetd
//
// The output is that of standard output and standard error, without the lines of a log.
// [Mask] says which parts of it may differ.
//
// The command widgetd, or go run ./cmd/widgetd, with nothing, serve or flags after it, starts
// a server. Flags and variables before and after it count. The next command begins when the
// server listens, and the server runs until the end of the file or until pkill widgetd, which
// waits for its end. pkill -HUP widgetd waits until the server has read its files again. No
// server uses the port in the text: curl and widgetd healthcheck find the real one.
package doctest

import "strings"

// Block is a fenced block of a Markdown file.
type Block struct {
	Line     int    // number of its first line in the file, after the fence
	Language string // the word after the opening fence
	Lines    []string
}

// Command is a command of a console block.
type Command struct {
	Line   int    // number of its first line in the file
	Text   string // without the prompts; it may have several lines
	Output string // what it prints according to the file
}

// Blocks returns the blocks of a Markdown text.
func Blocks(markdown string) (blocks []Block) {
	var fence string // of the open block; empty outside a block
	for i, line := range strings.Split(markdown, "\n") {
		text := strings.TrimLeft(line, " ")
		switch {
		case fence == "" && strings.HasPrefix(text, "```"):
			language := strings.TrimLeft(text, "`")
			fence = strings.TrimSuffix(text, language)
			blocks = append(blocks, Block{Line: i + 2, Language: language})
		case fence != "" && text == fence:
			fence = ""
		case fence != "":
			last := &blocks[len(blocks)-1]
			last.Lines = append(last.Lines, line)
		}
	}
	return blocks
}

// Commands returns the commands of a console block.
func (b Block) Commands() (commands []Command) {
	for i, line := range b.Lines {
		last := len(commands) - 1
		if text, isFirst := strings.CutPrefix(line, "$ "); isFirst {
			commands = append(commands, Command{Line: b.Line + i, Text: text})
		} else if text, isMore := strings.CutPrefix(line, "> "); isMore && last >= 0 && commands[last].Output == "" {
			commands[last].Text += "\n" + text
		} else if last >= 0 {
			commands[last].Output += line + "\n"
		}
	}
	return commands
}

// Replay calls run for each command of the console blocks, in order. It returns the text
// with the output that run returns in place of the one in the text.
func Replay(markdown string, run func(Command) (output string)) string {
	lines := strings.Split(markdown, "\n")
	var replayed []string
	next := 0 // the first line that is not yet in replayed
	for _, block := range Blocks(markdown) {
		if block.Language != "console" {
			continue
		}
		for _, command := range block.Commands() {
			output := command.Line + strings.Count(command.Text, "\n")
			replayed = append(replayed, lines[next:output]...)
			if text := run(command); text != "" {
				replayed = append(replayed, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
			}
			next = output + strings.Count(command.Output, "\n")
		}
	}
	return strings.Join(append(replayed, lines[next:]...), "\n")
}

// Code is text of a page that is code: a line of a block, or words between backquotes.
type Code struct {
	Line     int
	Language string // of the block; empty outside a block
	Text     string
}

// Code returns the code of a page.
func (p Page) Code() (codes []Code) {
	for _, block := range Blocks(p.Text) {
		for i, line := range block.Lines {
			codes = append(codes, Code{block.Line + i, block.Language, strings.TrimPrefix(line, "$ ")})
		}
	}
	for i, line := range prose(p.Text) {
		for _, code := range inlineCode.FindAllString(line, -1) {
			codes = append(codes, Code{i + 1, "", strings.Trim(code, "`")})
		}
		if indented, isCode := strings.CutPrefix(line, "    "); isCode {
			codes = append(codes, Code{i + 1, "", indented})
		}
	}
	return codes
}
