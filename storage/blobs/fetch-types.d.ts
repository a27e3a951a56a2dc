// COMPAT: the types of aws4fetch name these two of the browser's, which @types/node knows only as parts of others. May go with either.
type HeadersInit = NonNullable<RequestInit['headers']>
type BodyInit = NonNullable<RequestInit['body']>
