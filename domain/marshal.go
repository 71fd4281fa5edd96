package domain

// unmarshal sets value to the result of parse. It leaves value as it is if parse returns
// an error.
func unmarshal[T any](value *T, text []byte, parse func(string) (T, error)) error {
	parsed, err := parse(string(text))
	if err != nil {
		return err
	}
	*value = parsed
	return nil
}
