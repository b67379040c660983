package io.agenticd.agentic;

/**
 * One wrong field of a request.
 *
 * @param field its path, for example {@code to_address}
 * @param description English, for a person: what would be right
 */
public record Violation(String field, String description) {}
