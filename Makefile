# Two commands that work on a bare machine: `make demo` and `make test`.
PYTHON ?= python3
SONG ?=

.PHONY: demo test lint clean

# The light install: no torch, no compiler.
demo: .venv-demo/.installed
	@sh tools/debian.sh optional libportaudio2
	@.venv-demo/bin/python tools/demo.py $(if $(SONG),"$(SONG)")

test: .venv/.installed
	@sh tools/debian.sh required libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils \
	    pipewire pipewire-pulse wireplumber dbus-daemon jackd2 ffmpeg tmux fluidsynth timgm6mb-soundfont \
	    gcc libc6-dev
	.venv/bin/python -m pytest

lint: .venv/.installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.venv-demo/.installed: pyproject.toml tools/venv.sh tools/debian.sh
	@PYTHON="$(PYTHON)" sh tools/venv.sh .venv-demo demo

.venv/.installed: pyproject.toml tools/venv.sh tools/debian.sh
	@PYTHON="$(PYTHON)" sh tools/venv.sh .venv dev

clean:
	rm -rf .venv .venv-demo .pytest_cache .mypy_cache .ruff_cache demo
