# Two commands: `make demo` and `make test`. Each sets up all it needs in $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WHEELS ?= dist
# Device kernels in what is installed and in wheels: ON, OFF, or AUTO (if nvcc is there). They take a minute;
# `make cuda` compiles them on their own.
CUDA ?= OFF
# Requirements stand in pyproject.toml; $(call declared,base test) are those of the package and of its tests.
declared = $$($(PYTHON) tools/requirements.py $(1))
pip := -m pip install -q --disable-pip-version-check

sources := $(shell find cpp cmake python -type f -not -name '*.pyc') CMakeLists.txt pyproject.toml

.PHONY: demo test test-all install lint tidy format wheel check-wheel test-wheel check-sdist docs cuda cuda-sanitize \
  clang clang-quick test-free-threaded check-macos check-windows test-arm64 check-compilers \
  sanitize sanitize-address sanitize-levels sanitize-thread sanitize-quick sanitize-quick-address sanitize-quick-thread coverage fuzz torture bench bench-growth clean

demo: install ## train on the embedded digits: backprop, feedback alignment and shallow learning
	$(BIN)/fastfa demo

# Processes that share the tests; "logical" is one for each processor.
TEST_PROCESSES ?= logical
pytest := -m pytest -n $(TEST_PROCESSES) --dist worksteal

test: install ## the test suite
	$(BIN)/python $(pytest)

# Options of pip for the peers, such as another index for PyTorch's CPU wheel.
PEERS_PIP ?=

test-all: install $(VENV)-peers/.peers $(VENV)-simulators/.peers ## all tests with PyTorch, JAX, ONNX Runtime, Nengo, Brian 2, in environments of their own
	rm -rf build/peers-wheel
	$(BIN)/python -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps \
	  -C build-dir=build/$(notdir $(VENV)) -C cmake.define.FASTFA_WERROR=ON -C cmake.define.FASTFA_EMULATED=ON \
	  -C cmake.define.FASTFA_CUDA=$(CUDA) -w build/peers-wheel .
	for peers in peers simulators; do $(VENV)-$$peers/bin/python $(pip) \
	  --no-deps --force-reinstall build/peers-wheel/fastfa-*.whl || exit 1; done
	$(VENV)-simulators/bin/python -m pytest -p no:nengo tests/embedding/test_bridges.py
	$(VENV)-peers/bin/python $(pytest)

$(VENV)-peers/.peers: tests/requirements.txt
	test -x $(VENV)-peers/bin/python || $(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python $(pip) $(PEERS_PIP) -r tests/requirements.txt $(call declared,base test)
	$(VENV)-peers/bin/python $(pip) --no-deps biotorch==0.0.16
	touch $@

# Brian 2.9 needs NumPy below 2; Nengo 4.1 has a plugin that pytest 9 refuses.
$(VENV)-simulators/.peers:
	test -x $(VENV)-simulators/bin/python || $(PYTHON) -m venv $(VENV)-simulators
	$(VENV)-simulators/bin/python $(pip) "numpy<2" "nengo>=4" "brian2>=2.9" pytest hypothesis \
	  $(call declared,base sklearn)
	touch $@

install: $(VENV)/.installed ## build and install into $(VENV), only what changed

$(VENV)/.requirements: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(pip) $(call declared,build base test) cmake ninja
	touch $@

# The build folder is kept, so that only changed sources are compiled again.
$(VENV)/.installed: $(VENV)/.requirements $(sources)
	$(if $(shell command -v flock),flock $(VENV)/.lock) $(BIN)/python $(pip) --no-build-isolation \
	  --no-deps --force-reinstall -C build-dir=build/$(notdir $(VENV)) \
	  -C cmake.define.FASTFA_WERROR=ON -C cmake.define.FASTFA_EMULATED=ON -C cmake.define.FASTFA_CUDA=$(CUDA) .
	touch $@

$(VENV)/.lint: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(pip) $(call declared,lint)
	touch $@

schema = $(BIN)/check-jsonschema -q --builtin-schema vendor

lint: $(VENV)/.lint $(VENV)/.requirements ## ruff, mypy, clang-format, and the workflows of .github, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	find cpp examples -name '*.h' -o -name '*.cpp' -o -name '*.c' -o -name '*.cu' -o -name '*.cuh' | xargs $(BIN)/clang-format --dry-run --Werror
	$(schema).github-workflows .github/workflows/*.yml
	$(schema).github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(schema).github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(schema).dependabot .github/dependabot.yml
	$(schema).citation-file-format CITATION.cff
	$(BIN)/zizmor --offline --quiet --persona=pedantic .github

# Not over the kernels, which are written in GCC's vector extensions and CUDA's words.
tidy: install ## clang-tidy (.clang-tidy) over the core, the C interface and the bindings: minutes
	$(BIN)/python $(pip) $(call declared,tidy)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python $(BIN)/run-clang-tidy.py -quiet -p build/$(notdir $(VENV)) '/cpp/(core|capi|bindings)/'

format: $(VENV)/.lint ## make it so
	$(BIN)/ruff format .
	-$(BIN)/ruff check --fix .
	find cpp examples -name '*.h' -o -name '*.cpp' -o -name '*.c' -o -name '*.cu' -o -name '*.cuh' | xargs $(BIN)/clang-format -i

# Into a folder of its own: every target and its use of registers, against what is on record.
cuda: $(VENV)/.requirements ## compile the device kernels with nvcc; UPDATE=--update records what they use
	$(BIN)/python tools/cuda_resources.py --build build/cuda $(UPDATE)

# The first that is there; CLANGXX=clang++-16 for another, CLANG_FLAGS=-stdlib=libc++ for its own library.
CLANGXX ?= $(firstword $(foreach name,clang++ $(addprefix clang++-,20 19 18 17 16 15 14),$(shell command -v $(name))))
CLANG_FLAGS ?=
by_clang = CXX="$(CLANGXX)" CC="$(subst clang++,clang,$(CLANGXX))" CXXFLAGS="$(CLANG_FLAGS)"
# A folder for each compiler and each of its libraries. With libc++ a thread that Python before 3.14 ends at its
# own end takes the process with it (docs/platforms.md).
by_clang_in := build/clang/$(notdir $(CLANGXX))$(patsubst -stdlib=%,-%,$(filter -stdlib=%,$(CLANG_FLAGS)))
$(by_clang_in)/.built: $(VENV)/.requirements $(sources)
	$(if $(CLANGXX),,$(error there is no clang++; say which by CLANGXX=…))
	$(by_clang) $(BIN)/python $(pip) --no-build-isolation --no-deps --upgrade --target $(@D) -C build-dir=$(@D)-build \
	  -C cmake.define.FASTFA_WERROR=ON -C cmake.define.FASTFA_EMULATED=ON -C cmake.define.FASTFA_CUDA=OFF .
	touch $@

CLANG_TESTS ?= tests/core tests/layers tests/feedback tests/devices tests/embedding
clang: $(by_clang_in)/.built ## build with Clang, and the tests of the core, layers, devices and interfaces with that
	$(by_clang) PYTHONPATH=$(abspath $(by_clang_in)) $(BIN)/python $(pytest) $(CLANG_TESTS) \
	  $(if $(filter -stdlib=libc++,$(CLANG_FLAGS)),--deselect=tests/core/test_process_end.py::test_a_daemon_thread_at_work_does_not_hinder_the_end)

# A Python without the GIL. safetensors has no wheel for it, so what saves checkpoints is left out; so is a test whose
# two kernels the portable level rounds apart (tools/sanitize.py leaves it out, too).
PYTHON_FT ?= python3.14t
free_threaded := free_threading python_threads threads locks interrupt fork process_end ensemble custom_feedback robust_feedback \
  stepwise stepwise_calls stepwise_refusals arrays network_api direct_calls trainer
test-free-threaded: $(VENV)-ft/.installed ## what runs in many threads, with PYTHON_FT=python3.14t and the GIL off
	PYTHON_GIL=0 $(VENV)-ft/bin/python $(pytest) $(call tests_of,$(free_threaded)) \
	  --deselect=tests/core/test_stepwise_calls.py::test_feedback_switched_after_the_pass_leaves_its_deltas

$(VENV)-ft/.requirements: pyproject.toml
	test -x $(VENV)-ft/bin/python || $(PYTHON_FT) -m venv $(VENV)-ft
	$(VENV)-ft/bin/python $(pip) $(call declared,build) cmake ninja "numpy>=1.26" tqdm matplotlib pytest pytest-xdist hypothesis
	touch $@

$(VENV)-ft/.installed: $(VENV)-ft/.requirements $(sources)
	$(VENV)-ft/bin/python $(pip) --no-build-isolation --no-deps --force-reinstall -C build-dir=build/$(notdir $(VENV))-ft \
	  -C cmake.define.FASTFA_WERROR=ON -C cmake.define.FASTFA_EMULATED=ON -C cmake.define.FASTFA_CUDA=OFF -C cmake.define.FASTFA_PORTABLE=ON .
	touch $@

# The core and one level of kernels, with the bindings and the emulated device that `make install` has made.
clang-quick: $(if $(CLANGXX),install) ## the part of it that is for every change; where no Clang is found, says so
ifeq ($(CLANGXX),)
	@echo "no clang++ is found: nothing is built with Clang"
else
	$(by_clang) $(BIN)/cmake -G Ninja -S . -B build/clang-quick -DCMAKE_CXX_FLAGS_RELEASE="-O0 -DNDEBUG" -DFASTFA_WERROR=ON -DFASTFA_PORTABLE=ON \
	  -DFASTFA_CUDA=OFF -DFASTFA_EMULATED=ON -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) \
	  -DCMAKE_PREFIX_PATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	$(BIN)/cmake --build build/clang-quick --target fastfa fastfa_kernels_portable
	rm -rf build/clang-quick/site && mkdir build/clang-quick/site
	cp -r "$$($(BIN)/python -c 'import fastfa; print(*fastfa.__path__)')" build/clang-quick/site/fastfa
	cp build/clang-quick/*fastfa*.so build/clang-quick/site/fastfa/lib/
	$(by_clang) PYTHONPATH=$(abspath build/clang-quick/site) $(BIN)/python -m pytest -q -p no:cacheprovider $(call tests_of,capi embed oracles)
endif

emulator := $(wildcard cpp/cuda/*.cu cpp/cuda/*.cuh cpp/cuda/emulate/*) cpp/core/machine/backend.h cpp/kernels/ops.h cpp/kernels/conv_ops.h cpp/kernels/recurrent_ops.h
build/sanitize/fastfa_cuda_emulated.so: $(emulator)
	mkdir -p build/sanitize
	$(CXX) -std=c++17 -shared -fPIC -fvisibility=hidden -g -O1 -fno-omit-frame-pointer \
	  -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-unknown-pragmas \
	  -Icpp -Icpp/include cpp/cuda/emulate/*.cpp -o $@

cuda-sanitize: install build/sanitize/fastfa_cuda_emulated.so ## every device kernel under ASan and UBSan
	FASTFA_EMULATED_LIBRARY=$(CURDIR)/build/sanitize/fastfa_cuda_emulated.so ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	  $(BIN)/python -m pytest -q -p no:cacheprovider tests/devices/test_cuda_kernels.py tests/devices/test_cuda_conv.py

# Builds with sanitizers, in folders of their own: address and thread, with every instruction set, and the same
# with -quick, of one portable level, which compile in a few minutes.
build/sanitize/%/.built: $(VENV)/.requirements $(sources)
	$(BIN)/python $(pip) --no-build-isolation --no-deps --upgrade \
	  --target $(@D) -C build-dir=build/sanitize/$*-build -C cmake.define.FASTFA_EMULATED=ON \
	  -C cmake.define.FASTFA_CUDA=OFF -C cmake.define.FASTFA_PORTABLE=$(if $(findstring quick,$*),ON,OFF) \
	  -C cmake.define.FASTFA_SANITIZE=$(if $(findstring thread,$*),thread,address$(comma)undefined) .
	touch $@
comma := ,
.PRECIOUS: build/sanitize/%/.built
tests_of = $(foreach name,$(1),$(or $(wildcard tests/*/test_$(name).py),$(error there is no tests/*/test_$(name).py)))

# What goes through the core, its bindings and its kernels; and what does so from several threads.
sanitized := activations sequences adam alignment arrays bad_feedback bad_input bad_learning bad_local bf16 bf16_conv capi capi_errors capi_learning \
  checkpoint_files checkpoint_reading checkpoint_writing conv conv_kernels conv_use cuda_arrays cuda_conv \
  cuda_ensemble cuda_graphs cuda_training custom_feedback density distortion divergence dropout ensemble \
  feedback_matrices finite_differences fork learning local local_network local_oracles locks network_api network_state \
  node_perturbation online oracles padding philox plasticity plasticity_sparse process_end \
  robust_feedback sizes state_file stepwise stepwise_calls stepwise_refusals weight_mirror
kernels := sequences activations adam bf16 bf16_conv conv conv_kernels density dropout ensemble feedback_matrices local local_network node_perturbation online oracles \
  padding plasticity plasticity_sparse stepwise stepwise_calls stepwise_refusals weight_mirror
concurrent := threads python_threads locks interrupt robust_feedback stepwise_calls ensemble process_end

sanitize: sanitize-address sanitize-levels sanitize-thread cuda-sanitize ## core, bindings and kernels under ASan and UBSan, threads under TSan; with -j2 on two cores
sanitize-address: build/sanitize/address/.built
	$(BIN)/python tools/sanitize.py address build/sanitize/address $(call tests_of,$(sanitized))
sanitize-levels: build/sanitize/address/.built install
	for level in $$($(BIN)/python -c "import fastfa; print(*fastfa.build_info()['isa_available'][1:])"); do \
	  FASTFA_ISA=$$level $(BIN)/python tools/sanitize.py address build/sanitize/address $(call tests_of,$(kernels)) || exit 1; done
sanitize-thread: build/sanitize/thread/.built
	$(BIN)/python tools/sanitize.py thread build/sanitize/thread $(call tests_of,$(concurrent))

sanitize-quick: sanitize-quick-address sanitize-quick-thread ## the part of it that is for every change
sanitize-quick-address: build/sanitize/address-quick/.built
	$(BIN)/python tools/sanitize.py address build/sanitize/address-quick $(call tests_of,capi capi_errors capi_learning conv_kernels padding sizes state_file stepwise stepwise_calls stepwise_refusals)
sanitize-quick-thread: build/sanitize/thread-quick/.built
	$(BIN)/python tools/sanitize.py thread build/sanitize/thread-quick $(call tests_of,locks robust_feedback)

# What the tests run of Python, and of C++ with portable kernels: pages in build/coverage/python and cpp.
# COVERED=tests/core for a part of the tests.
COVERED ?= tests
coverage: $(VENV)/.requirements ## what of the code the tests run
	$(BIN)/python $(pip) $(call declared,coverage)
	$(BIN)/python $(pip) --no-build-isolation --no-deps --upgrade --target build/coverage/site \
	  -C build-dir=build/coverage/build -C cmake.define.FASTFA_EMULATED=ON -C cmake.define.FASTFA_CUDA=OFF \
	  -C cmake.define.FASTFA_PORTABLE=ON -C cmake.define.CMAKE_CXX_FLAGS=--coverage .
	find build/coverage/build -name '*.gcda' -delete
	-PYTHONPATH=build/coverage/site $(BIN)/python $(pytest) -q --cov=fastfa --cov-report=html:build/coverage/python \
	  --cov-report=term:skip-covered $(COVERED)
	mkdir -p build/coverage/cpp
	$(BIN)/gcovr --root . --filter cpp/ --object-directory build/coverage/build --gcov-ignore-parse-errors \
	  --html-details build/coverage/cpp/index.html --txt

# zig has the headers and the symbols of macOS' libraries; what it makes is looked into, not run.
check-macos: $(VENV)/.requirements build/zig/.installed ## compile and link for macOS, both processors, and look into it
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/check_macos.py build/zig/ziglang/zig build/macos

check-windows: $(VENV)/.requirements build/zig/.installed ## the same for Windows; run, too, if wine64 is there
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/check_windows.py build/zig/ziglang/zig build/windows

build/zig/.installed:
	$(PYTHON) $(pip) --target $(@D) "ziglang==0.17.1"
	touch $@

# Needs Debian's g++-aarch64-linux-gnu and qemu-user. Packages for arm64 are unpacked in build/arm64, not installed.
test-arm64: $(VENV)/.requirements ## build for Linux on arm64; examples and the tests that matter there, under qemu
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/test_arm64.py build/arm64

# Seconds for each target; FUZZ="--runs 1000000 cpp.load" for so many inputs of one.
FUZZ ?= --seconds 60
fuzz: install build/fuzz/atheris/.installed ## what reads files and arguments, under inputs led by coverage; Clang and atheris if they are there
	$(BIN)/python tools/fuzz/drive.py $(FUZZ)

build/fuzz/atheris/.installed:
	mkdir -p $(@D)
	-$(BIN)/python $(pip) --target $(@D) "atheris>=2.3"
	touch $@

torture: install ## kills, full disks, signals, threads and leaks; TORTURE="kills.save --count 20" for a part
	$(BIN)/python tools/torture/torture.py $(TORTURE)

wheel: $(VENV)/.requirements ## a wheel from an isolated build, in $(WHEELS)
	$(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps \
	  -C cmake.define.FASTFA_WERROR=ON -C cmake.define.FASTFA_CUDA=$(CUDA) -w $(WHEELS) .

bench: wheel $(VENV)-bench/.peers ## against PyTorch, BioTorch, JAX, scikit-learn and NumPy; needs a quiet machine
	$(VENV)-bench/bin/python $(pip) --no-deps --force-reinstall $(WHEELS)/fastfa-*.whl
	$(VENV)-bench/bin/python bench/run.py --out build/bench.json
	$(VENV)-bench/bin/python bench/local.py --out build/bench-local.json

bench-growth: install ## how step time and memory grow; needs a quiet machine
	$(BIN)/python bench/growth.py --out build/growth.json

$(VENV)-bench/.peers: bench/requirements.txt
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python $(pip) -r bench/requirements.txt
	$(VENV)-bench/bin/python $(pip) --no-deps biotorch==0.0.16
	touch $@

check-wheel: ## build a wheel in an isolated environment, repair it, look into both; and what cibuildwheel would build
	rm -rf build/wheel && mkdir -p build/wheel
	$(MAKE) wheel WHEELS=build/wheel
	$(BIN)/python $(pip) $(call declared,wheel)
	$(BIN)/python tools/check_wheel.py build/wheel/*.whl
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m auditwheel repair -w build/wheel/repaired build/wheel/*.whl
	$(BIN)/python tools/check_wheel.py --repaired --list build/wheel/repaired/*.whl
	$(BIN)/cibuildwheel --print-build-identifiers --platform linux

test-wheel: check-wheel ## the test suite against the repaired wheel, in an empty environment without a compiler
	$(BIN)/python tools/test_wheel.py build/wheel/repaired/*.whl build/wheel-test

check-sdist: check-wheel ## the source distribution, and that a wheel made of it is the same
	rm -rf build/sdist && mkdir -p build/sdist
	$(BIN)/python $(pip) "build>=1.2"
	$(BIN)/python -m build --sdist -o build/sdist .
	$(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps \
	  -C cmake.define.FASTFA_CUDA=$(CUDA) -w build/sdist build/sdist/fastfa-*.tar.gz
	$(BIN)/python tools/check_sdist.py build/sdist/fastfa-*.tar.gz build/wheel/*.whl build/sdist/*.whl

# INSTALLED="-C cmake.define.FASTFA_PORTABLE=ON": options of pip's, here for one set of kernels.
check-compilers: $(VENV)/.requirements ## install the source distribution with every GCC and Clang that is found, and train
	rm -rf build/compilers && mkdir -p build/compilers
	$(BIN)/python $(pip) "build>=1.2"
	$(BIN)/python -m build --sdist -o build/compilers .
	$(BIN)/python tools/check_compilers.py build/compilers/fastfa-*.tar.gz build/compilers -- $(INSTALLED)

docs: $(VENV)-docs/.requirements ## the documentation site, in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/python -m mkdocs build --strict

$(VENV)-docs/.requirements: docs/requirements.txt
	test -x $(VENV)-docs/bin/python || $(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python $(pip) -r docs/requirements.txt
	touch $@

clean:
	rm -rf build dist $(VENV)
