//! The JSON API and the hosted pages over a whole node in memory, driven step by step.

mod rest;
