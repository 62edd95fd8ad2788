package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"
)

// Number is a float64 whose JSON is null where it is not finite, since JSON has no NaN. Log does the same for the
// float64 values of a map.
type Number float64

// MarshalJSON writes the number, or null.
func (x Number) MarshalJSON() ([]byte, error) {
	if v := float64(x); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return json.Marshal(v)
	}
	return []byte("null"), nil
}

// Log appends one line to --log, if that was given: the JSON object of record, a map[string]any or a struct, behind the
// time and the program's name. A line is one write at the file's end, so that several programs can share a log, and
// goes to a new file of the name when the old one was renamed.
// The first failure stops logging and becomes the program's error when it is otherwise done.
//
// It panics if record cannot be written as a JSON object.
func (c *Context) Log(record any) {
	if c.log == nil || c.logErr != nil {
		return
	}
	if fields, ok := record.(map[string]any); ok {
		record = finite(fields)
	}
	body, err := json.Marshal(record)
	if err != nil || len(body) < 2 || body[0] != '{' {
		panic("cli: log record is not a JSON object")
	}
	line := fmt.Appendf(nil, `{"time":%q,"program":%q`, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), c.name)
	if len(body) > len("{}") {
		line = append(line, ',')
	}
	line = append(line, body[1:]...)
	if c.logErr = c.follow(); c.logErr == nil {
		_, c.logErr = c.log.Write(append(line, '\n'))
	}
}

// follow opens the log anew when the file of its name is another one or gone: it was rotated. Devices and pipes stay.
func (c *Context) follow() error {
	own, err := c.log.Stat()
	if err != nil || !own.Mode().IsRegular() {
		return err
	}
	if there, err := os.Stat(c.logPath); err == nil && os.SameFile(own, there) {
		return nil
	}
	if err := c.log.Close(); err != nil {
		return err
	}
	c.log, err = openAppending(c.logPath)
	return err
}

func openAppending(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
}

// finite copies the fields with their float64 values made Numbers.
func finite(fields map[string]any) map[string]any {
	out := make(map[string]any, len(fields))
	for name, value := range fields {
		if v, ok := value.(float64); ok {
			value = Number(v)
		}
		out[name] = value
	}
	return out
}

// openLog opens the file of --log for appending.
func (c *Context) openLog() error {
	switch c.logPath {
	case "":
		return nil
	case "-":
		return Usage("--log -: standard output carries the result; name a file, or /dev/stderr")
	}
	file, err := openAppending(c.logPath)
	if err != nil {
		return fmt.Errorf("--log: %w", err)
	}
	c.log = file
	return nil
}

// closeLog closes the file of --log and returns the first failure of its writes.
func (c *Context) closeLog() error {
	if c.log == nil {
		return nil
	}
	err := c.log.Close()
	if c.logErr != nil {
		err = c.logErr
	}
	if err != nil {
		return fmt.Errorf("--log: %w", err)
	}
	return nil
}
