"""The developer portal: where a seller's customers learn, sign up, get keys, see usage and pay."""
