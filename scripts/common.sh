# What the scripts share. Sourced; `root` is the repository's folder.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

have_libfuzzer() {
  have clang++ && echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
    clang++ -x c++ -fsanitize=fuzzer - -o /dev/null 2>/dev/null
}

# Compilers at work at once: the cores, but never more than memory holds (1.5 GB a compiler).
build_jobs() {
  local cores memory
  cores=$(nproc 2>/dev/null || echo 2)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo 2>/dev/null)
  memory=${memory:-2}
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

# The CUDA compiler, on PATH or at its usual place; nothing where there is none.
find_nvcc() {
  local place
  for place in "${CUDACXX:-}" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
    if [ -n "$place" ] && [ -x "$place" ]; then echo "$place" && return; fi
  done
}

# Compute capability of the first GPU ("90"); nothing where there is none.
gpu_architecture() {
  have nvidia-smi || return 0
  timeout 20 nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d '. ' | grep -E '^[0-9]+$' || true
}

# Arguments of cmake that suit this machine, for a build folder that does not exist yet: its generator cannot be changed.
fresh_build_arguments() {
  [ -f "$1/CMakeCache.txt" ] && return 0
  if have ninja; then printf '%s\n' -G Ninja; fi
  if have ccache; then printf '%s\n' -DCMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
  return 0
}

# configure BUILD [cmake argument...]
configure() {
  local build=$1 extra
  shift
  mapfile -t extra < <(fresh_build_arguments "$build")
  cmake -S "$root" -B "$build" "${extra[@]}" "$@"
}

# build BUILD [target...]
build() {
  local folder=$1
  shift
  cmake --build "$folder" --parallel "$(build_jobs)" ${1:+--target "$@"}
}
