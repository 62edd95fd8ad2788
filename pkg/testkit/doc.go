// Package testkit is what tests share: closeness of vectors, derivatives by central differences, golden vectors and
// seeded random vectors. Two numbers are close when
//
//	|got - want| <= atol + rtol |want|
//
// said so that a NaN on either side fails. Only files named _test.go import it. Assertions about anything but numbers
// are absent: the standard library's testing says those well enough.
package testkit
