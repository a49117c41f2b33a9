// Package kubernetes is the little of Pulumi's Go SDK for Kubernetes that its provider uses. The SDK itself has a type for
// every field of every API, half a million lines that take longer to compile than the rest of the provider.
package kubernetes

import "reflect"

// UntypedArgs are the fields of an object of any kind.
type UntypedArgs map[string]any

// ElementType says that the fields are a map by name.
func (UntypedArgs) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]any]()
}
