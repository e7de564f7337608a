// The compiler takes functions without a body, which child_linux.go links to the
// runtime, only in a package that has assembly.
