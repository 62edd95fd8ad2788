# make [build]                 executables into bin/
# make install PREFIX=DIR      executables, manual pages and completions below DIR, /usr/local by default; DESTDIR in front
# make dist                    archives of static executables for linux amd64 and arm64 in dist/
# make test                    everything that CI tests

PREFIX ?= /usr/local

build:
	scripts/build.sh

install: build
	scripts/install.sh bin "$(DESTDIR)$(PREFIX)"

dist:
	scripts/dist.sh

test:
	scripts/test.sh

.PHONY: build install dist test
