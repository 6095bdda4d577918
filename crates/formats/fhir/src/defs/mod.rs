//! The R4 definitions: types, elements, bindings, search parameters.
