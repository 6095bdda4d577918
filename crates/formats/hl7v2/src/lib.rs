//! HL7 v2: messages, paths, escapes, charsets, MLLP framing, acknowledgements, tables
