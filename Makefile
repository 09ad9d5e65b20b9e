# `make demo` and `make test` set up all they need. PYTHON chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The oracle of the validator's tests: a real tritonserver, from a package with pins of its own.
TRITON_VENV ?= .venv-triton
TRITON_STAMP := $(TRITON_VENV)/.installed
N ?= 10000

# Clients of the server that Python packages do not carry as such: perf_analyzer was last shipped in
# this wheel; of the other it needs libcudart.so.12 (and libb64-0d of the system).
CLIENTS := $(VENV)/clients

.PHONY: demo test gpu-test check clean triton clients fuzz-validate

$(STAMP): pyproject.toml requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

demo: $(STAMP)
	PATH="$(abspath $(BIN)):$$PATH" bash recipes/demo.sh build

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Where it cannot be installed the tests that need it are skipped and say so.
triton:
	@test -e $(TRITON_STAMP) || { $(PYTHON) -m venv $(TRITON_VENV) \
	  && $(TRITON_VENV)/bin/pip install --quiet nvidia-pytriton && touch $(TRITON_STAMP); } \
	  || echo "nvidia-pytriton cannot be installed here: tests against Triton are skipped"

# About 16 MB. Where it cannot be had the tests that need it are skipped and say so.
clients: $(STAMP)
	@test -e $(CLIENTS)/perf_analyzer || { mkdir -p $(CLIENTS) \
	  && $(BIN)/pip download --quiet --no-deps --dest $(CLIENTS) --platform manylinux1_x86_64 \
	    --platform manylinux2014_x86_64 tritonclient==2.45.0 nvidia-cuda-runtime-cu12==12.9.79 \
	  && unpacked=$$(mktemp -d) && for wheel in $(CLIENTS)/*.whl; do \
	    $(BIN)/python -m zipfile -e $$wheel $$unpacked; done \
	  && cp $$unpacked/nvidia/cuda_runtime/lib/libcudart.so.12 $(CLIENTS) \
	  && install -m 755 $$unpacked/*.data/data/bin/perf_analyzer $(CLIENTS) \
	  && rm -r $$unpacked $(CLIENTS)/*.whl; } \
	  || echo "perf_analyzer cannot be had here: the test with it is skipped"

test: check triton clients
	$(BIN)/pytest -n auto --dist loadgroup

# Every test that needs a GPU, with the packages that PYTHON has: TensorRT and ONNX Runtime are those
# of the GPU's machine (CONTRIBUTING.md), which no requirements file can name for all. pytest-benchmark,
# where it happens to be, warns beside `-n`, and warnings are errors here.
gpu-test:
	PYTHONPATH="$(CURDIR):$(CURDIR)/serve$${PYTHONPATH:+:$$PYTHONPATH}" $(PYTHON) -m pytest -m gpu -p no:benchmark

# N generated repositories of each kind, and N mutated configs, judged by trtbuild and by Triton.
fuzz-validate: $(STAMP) triton
	TRTBUILD_FUZZ=$(N) $(BIN)/pytest -q -n 2 tests/validate/oracle/test_differential.py

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache
