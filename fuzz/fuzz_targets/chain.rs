#![no_main]

vigie_fuzz::fuzz!(chain);
