//! Policies over PHI classes: pseudonyms, vault, encryption, date shift, generalisation
