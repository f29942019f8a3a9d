#include "core/state/safetensors.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fastfa/types.h"

namespace fastfa {
namespace {

// The subset of JSON that the format allows, read once from left to right.
class Reader {
 public:
  Reader(const std::string& json, std::string where) : text_(json), where_(std::move(where)) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError(where_ + ": " + what + " at byte " + std::to_string(at_) + " of the header");
  }

  void space() {
    while (at_ < text_.size() && std::string(" \t\n\r").find(text_[at_]) != std::string::npos) ++at_;
  }
  bool accept(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("there is no '") + c + "'");
  }
  bool done() {
    space();
    return at_ == text_.size();
  }

  std::string string() {
    expect('"');
    std::string s;
    for (;;) {
      if (at_ >= text_.size()) fail("a string does not end");
      const char c = text_[at_++];
      if (c == '"') return s;
      if (static_cast<unsigned char>(c) < 0x20) fail("a string has a control character");
      if (c != '\\') {
        s += c;
        continue;
      }
      const char escaped = at_ < text_.size() ? text_[at_++] : '\0';
      const std::string plain = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
      const std::size_t known = plain.find(escaped);
      if (escaped != '\0' && known != std::string::npos) {
        s += meant[known];
      } else if (escaped == 'u') {
        append_utf8(s, code_point());
      } else {
        fail("a string has an unknown escape");
      }
    }
  }

  std::uint64_t integer() {
    space();
    const std::size_t begin = at_;
    std::uint64_t n = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (n > (largest - digit) / 10) fail("a number is too large");
      n = n * 10 + digit;
    }
    if (at_ == begin || (text_[begin] == '0' && at_ > begin + 1)) fail("there is no whole number");
    return n;
  }

  // Calls one() for each element of an object or array.
  template <class One>
  void list(char open, char close, One&& one) {
    expect(open);
    if (accept(close)) return;
    do {
      one();
    } while (accept(','));
    expect(close);
  }

 private:
  static constexpr std::uint64_t largest = std::uint64_t{1} << 62;

  std::uint32_t code_point() {
    const std::uint32_t high = hex();
    if (high < 0xd800 || high > 0xdfff) return high;
    if (high > 0xdbff || text_.compare(at_, 2, "\\u") != 0) fail("a string has half a character");
    at_ += 2;
    const std::uint32_t low = hex();
    if (low < 0xdc00 || low > 0xdfff) fail("a string has half a character");
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }
  std::uint32_t hex() {
    std::uint32_t n = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      const std::string digits = "0123456789abcdef";
      const std::size_t value = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
      if (c == '\0' || value == std::string::npos) fail("a string has a bad escape");
      n = n * 16 + static_cast<std::uint32_t>(value);
    }
    return n;
  }
  static void append_utf8(std::string& s, std::uint32_t c) {
    const auto put = [&](std::uint32_t byte) { s += static_cast<char>(byte); };
    if (c < 0x80) return put(c);
    if (c < 0x800) {
      put(0xc0 | c >> 6);
    } else {
      if (c < 0x10000) {
        put(0xe0 | c >> 12);
      } else {
        put(0xf0 | c >> 18);
        put(0x80 | (c >> 12 & 0x3f));
      }
      put(0x80 | (c >> 6 & 0x3f));
    }
    put(0x80 | (c & 0x3f));
  }

  const std::string& text_;
  std::string where_;
  std::size_t at_ = 0;
};

TensorEntry read_entry(Reader& r, const std::string& name) {
  TensorEntry entry;
  bool has_dtype = false, has_shape = false, has_offsets = false;
  r.list('{', '}', [&] {
    const std::string key = r.string();
    r.expect(':');
    if (key == "dtype" && !std::exchange(has_dtype, true)) {
      entry.dtype = r.string();
    } else if (key == "shape" && !std::exchange(has_shape, true)) {
      r.list('[', ']', [&] { entry.shape.push_back(static_cast<std::int64_t>(r.integer())); });
    } else if (key == "data_offsets" && !std::exchange(has_offsets, true)) {
      std::vector<std::uint64_t> offsets;
      r.list('[', ']', [&] { offsets.push_back(r.integer()); });
      if (offsets.size() != 2 || offsets[0] > offsets[1]) {
        r.fail("'" + shown(name) + "' has bad data_offsets");
      }
      entry.begin = offsets[0];
      entry.end = offsets[1];
    } else {
      r.fail("'" + shown(name) + "' has '" + shown(key) + "', which it must not or only once");
    }
  });
  if (!has_dtype || !has_shape || !has_offsets) {
    r.fail("'" + shown(name) + "' lacks one of dtype, shape, data_offsets");
  }
  return entry;
}

}  // namespace

std::string shown(const std::string& text) {
  constexpr std::size_t longest = 80;
  std::string out = text.substr(0, longest);
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return text.size() > longest ? out + "..." : out;
}

TensorHeader parse_tensor_header(const std::string& json, std::uint64_t data_bytes,
                                 const std::string& where) {
  Reader r(json, where);
  TensorHeader header;
  bool has_metadata = false;
  if (json.empty() || json[0] != '{') r.fail("there is no '{'");
  r.list('{', '}', [&] {
    const std::string name = r.string();
    r.expect(':');
    if (name == "__metadata__") {
      if (std::exchange(has_metadata, true)) r.fail("'__metadata__' is there twice");
      r.list('{', '}', [&] {
        r.string();
        r.expect(':');
        r.string();
      });
      return;
    }
    if (header.count(name)) r.fail("'" + shown(name) + "' is there twice");
    header.emplace(name, read_entry(r, name));
  });
  if (!r.done()) r.fail("there is more than one object");

  std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;
  for (const auto& [name, entry] : header) pieces.emplace_back(entry.begin, entry.end);
  std::sort(pieces.begin(), pieces.end());
  std::uint64_t filled = 0;
  for (const auto& [begin, end] : pieces) {
    if (begin != filled) {
      throw FormatError(where + ": the data of its tensors overlap or leave gaps");
    }
    filled = end;
  }
  if (filled != data_bytes) {
    throw FormatError(where + ": its tensors take " + std::to_string(filled) + " bytes; the file has " +
                      std::to_string(data_bytes) + " after the header");
  }
  return header;
}

}  // namespace fastfa
