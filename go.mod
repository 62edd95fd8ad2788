module odepipe

go 1.23

require (
	github.com/apache/arrow/go/v15 v15.0.2 // indirect
	github.com/ebitengine/purego v0.8.4 // indirect
	github.com/pelletier/go-toml/v2 v2.4.3 // indirect
	github.com/rogpeppe/go-internal v1.14.1 // indirect
	golang.org/x/sys v0.30.0 // indirect
	gonum.org/v1/gonum v0.15.1 // indirect
)
