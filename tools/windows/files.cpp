// What saving and loading owe their users on Windows. Exits with the number of the first thing that is
// not as it should be. Run by tools/check_windows.py in an empty folder.
#include <windows.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "fastfa/network.h"

namespace fs = std::filesystem;

namespace {

fastfa::Network<float> network(std::uint64_t seed) {
  fastfa::NetworkSpec spec;
  spec.inputs = 3;
  spec.layers = {fastfa::dense(4), fastfa::dense(2)};
  spec.feedback = {fastfa::preset("fa")};
  spec.seed = seed;
  return fastfa::Network<float>(spec);
}

float first_weight(fastfa::Network<float>& net) { return *net.weights(0).data; }

int files_in(const fs::path& folder) {
  int count = 0;
  for (const auto& each : fs::directory_iterator(folder)) count += each.is_regular_file();
  return count;
}

template <class Call>
bool refused(Call&& call) {
  try {
    call();
  } catch (const std::runtime_error& error) {
    std::printf("as it should: %s\n", error.what());
    return true;
  }
  return false;
}

int run() {
  const fs::path folder = fs::u8path("été 学"), file = folder / fs::u8path("poids α.safetensors");
  fs::create_directory(folder);
  const std::string name = file.u8string();
  fastfa::Network<float> one = network(1), two = network(2), loaded = network(3);

  // A file is made, and replaced; nothing else is left.
  one.save(name);
  two.save(name);
  if (files_in(folder) != 1) return 1;
  loaded.load(name);
  if (first_weight(loaded) != first_weight(two)) return 2;

  // What a killed writer left is removed, what one that lives has open isn't.
  const fs::path left = folder / fs::u8path(".poids α.safetensors.0123abcd.tmp");
  const fs::path open = folder / fs::u8path(".poids α.safetensors.89abcdef.tmp");
  std::ofstream(left) << "half";
  const HANDLE writer = CreateFileW(open.c_str(), GENERIC_WRITE | DELETE, 0, nullptr, CREATE_NEW,
                                    FILE_ATTRIBUTE_NORMAL, nullptr);
  one.save(name);
  if (fs::exists(left) || !fs::exists(open) || files_in(folder) != 2) return 3;
  CloseHandle(writer);
  fs::remove(open);

  // A file that somebody has open stays as it was.
  const HANDLE reader = CreateFileW(file.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                    FILE_ATTRIBUTE_NORMAL, nullptr);
  if (!refused([&] { two.save(name); })) return 4;
  CloseHandle(reader);
  loaded.load(name);
  if (first_weight(loaded) != first_weight(one) || files_in(folder) != 1) return 5;

  // No folder's place is taken, and none is read.
  if (!refused([&] { one.save(folder.u8string()); })) return 6;
  if (!refused([&] { one.load(folder.u8string()); })) return 7;
  if (!refused([&] { one.save("nowhere/at.all"); })) return 8;
  if (!refused([&] { one.load("nowhere/at.all"); })) return 9;
  return 0;
}

}  // namespace

int main() {
  const int wrong = run();
  if (wrong) std::fprintf(stderr, "number %d is not as it should be\n", wrong);
  return wrong;
}
