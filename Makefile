# What Port77 is and how to use it: README.md.
SWIFT_FLAGS := --explicit-target-dependency-import-check error
# Lets the compiler see through the walls between the rooms: a fifth less processor time for a job on its whole way.
RELEASE_FLAGS := -c release -Xswiftc -cross-module-optimization

.PHONY: help demo build release test unit campaign seeded-bugs bench fuzz format clean

help:
	@echo "make demo     build, then one deck through host, gateway and webhook receiver, every step printed"
	@echo "make test     everything that is tested: unit, contract, end-to-end, fuzz, campaigns"
	@echo "make bench    the figures, against peers; NAME=get one of them: Benchmarks/bench.py"
	@echo "make release  the optimized executable, .build/release/port77"

demo: build
	.build/debug/port77 demo

build:
	@scripts/setup
	swift build $(SWIFT_FLAGS) --product port77

release:
	@scripts/setup
	swift build $(SWIFT_FLAGS) $(RELEASE_FLAGS) --product port77

test:
	@scripts/setup with-tests
	@scripts/test

unit:
	@scripts/setup with-tests
	swift test $(SWIFT_FLAGS)

# SECONDS=60 for each target.
fuzz:
	@scripts/setup with-tests
	@scripts/fuzz $(or $(SECONDS),60)

# make campaign NAME=kill N=20000 SEED=7: jobs of kill, keys of equal, flips of rot, rounds of wire, every N-th call of calls.
# PORT77=.build/release/port77 takes another executable.
campaign: build
	python3 Tests/Campaigns/$(NAME).py --port77 $(or $(PORT77),.build/debug/port77) $(if $(N),--n $(N)) $(if $(JOBS),--jobs $(JOBS)) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

# Builds Port77 with one fault after the other; the campaigns must catch each.
seeded-bugs:
	@scripts/setup with-tests
	@scripts/seeded-bugs

# NAME=get one row; ARGS=--small to see that it works.
bench:
	@Benchmarks/setup
	python3 Benchmarks/bench.py $(NAME) $(ARGS)

format:
	swift format format -i -r -p --configuration .swift-format Sources Tests Package.swift Benchmarks/Sources Benchmarks/Instructions/Units

clean:
	rm -rf .build .build-*
