// Marks what libfastfa exports; everything else in it is hidden.
#pragma once

#if defined(__GNUC__)
#define FASTFA_API __attribute__((visibility("default")))
#else
#define FASTFA_API
#endif
