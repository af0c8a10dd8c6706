# Three commands that work on a bare machine: `make demo`, `make check` and `make test`.
PYTHON ?= python3
SONG ?=
PYTEST = .venv/bin/python -m pytest
RAY_TESTS = tests/unit/cluster/test_ray.py
# On all cores, each with its own thread; more at a time, since half of the time they wait. A process
# that crashes is a failure at once: xdist would wait for ever for what others had to do.
ALONG = env OMP_NUM_THREADS=1 $(PYTEST) --max-worker-restart 0 -n $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 5 / 2)))
# Each process collects all tests first, which is much of the work where the rest is fast.
FEW = -n $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
# No real-time scheduling for what goes on in between: it would be before the sound servers' tests.
ORDINARY = $(shell setpriv --bounding-set=-sys_nice true 2>/dev/null && echo setpriv --bounding-set=-sys_nice)
# What Python compiles is kept, whatever the environment says: each process would compile all anew.
unexport PYTHONDONTWRITEBYTECODE
FAST_PACKAGES = libportaudio2 ffmpeg
SERVER_PACKAGES = libasound2-plugins pulseaudio pulseaudio-utils pipewire pipewire-pulse wireplumber \
    dbus-daemon jackd2 tmux fluidsynth timgm6mb-soundfont gcc libc6-dev \
    chromium chromium-driver

.PHONY: demo check lint fast test test-ray test-rest test-server soak fuzz wheels audit clean

# The light install: no torch, no compiler.
demo: .venv-demo/.installed
	@sh tools/debian.sh optional libportaudio2
	@.venv-demo/bin/python tools/demo.py $(if $(SONG),"$(SONG)")

# Types on one core, the fast tests on another.
check: .venv/.installed
	@$(MAKE) --no-print-directory -j 2 lint fast

lint: .venv/.installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

fast: .venv/.installed
	@sh tools/debian.sh required $(FAST_PACKAGES)
	$(ALONG) $(FEW) -q --ignore tests/integration -m 'not slow and not server and not hardware and not soak'

# Everything but what needs hardware. What keeps time with a sound server goes one by one, and has
# the cores whenever it wants them; the rest goes on in between, a Ray cluster before all else: it
# gives its own programs half a minute to begin.
test: .venv/.installed
	@sh tools/debian.sh required $(FAST_PACKAGES) $(SERVER_PACKAGES)
	@$(MAKE) --no-print-directory -j 3 test-ray test-rest test-server

# Between the others' dots nobody could read what these say.
define said_at_its_end
@said=$$(mktemp); $(1) >"$$said" 2>&1; code=$$?; cat "$$said"; rm "$$said"; exit $$code
endef

test-server:
	$(call said_at_its_end,$(PYTEST) tests/integration)

test-ray:
	$(call said_at_its_end,nice -n 10 $(ORDINARY) env OMP_NUM_THREADS=1 $(PYTEST) $(RAY_TESTS))

test-rest:
	nice -n 19 $(ORDINARY) $(ALONG) -m 'not server and not hardware and not soak' --ignore $(RAY_TESTS)

# What takes minutes, such as the ends of a cluster's drivers and nodes, and all of which `make test` has one of a kind.
soak: .venv/.installed
	$(PYTEST) -m soak

# Five minutes of inputs that nobody would write, for all that reads what others wrote.
fuzz: .venv/.installed
	@.venv/bin/python -c 'import atheris' 2>/dev/null || .venv/bin/python -m pip install -qq --editable '.[fuzz]'
	@OMP_NUM_THREADS=1 .venv/bin/python tools/fuzz.py --minutes 5

# dist/, and what is in it tried in an empty environment.
wheels: .venv/.installed
	@sh tools/debian.sh required libportaudio2
	@sh tools/check_wheel.sh .venv/bin/python

# Known faults of what is locked, from a database that has to be reached.
audit: .venv/.installed
	@.venv/bin/python -c 'import pip_audit' 2>/dev/null || .venv/bin/python -m pip install -qq pip-audit
	@for extra in demo dev; do .venv/bin/python -m pip_audit --require-hashes --disable-pip --no-deps -r requirements/$$extra.txt; done

.venv-demo/.installed: pyproject.toml requirements/demo.txt tools/venv.sh tools/debian.sh
	@PYTHON="$(PYTHON)" sh tools/venv.sh .venv-demo demo

.venv/.installed: pyproject.toml requirements/dev.txt tools/venv.sh tools/debian.sh
	@PYTHON="$(PYTHON)" sh tools/venv.sh .venv dev

clean:
	rm -rf .venv .venv-demo .pytest_cache .mypy_cache .ruff_cache demo dist
