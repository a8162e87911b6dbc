package aloft;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Between JSON and the function's own classes, by reflection: setters and getters, public fields, records, enums,
 * collections. Names are matched exactly, else whatever their case; what a class does not know is left out.
 */
final class Binding {
    private Binding() {}

    // --- From JSON ---

    /** The value as an object of the type. */
    static Object convert(Object value, Type type) {
        try {
            return convert(value, type, new HashMap<>());
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException(error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException(error);
        }
    }

    private static Object convert(Object value, Type type, Map<TypeVariable<?>, Type> known) throws ReflectiveOperationException {
        if (type instanceof TypeVariable) {
            Type bound = known.get(type);
            return bound == null || bound == type ? value : convert(value, bound, known);
        }
        if (type instanceof WildcardType) return convert(value, ((WildcardType) type).getUpperBounds()[0], known);
        if (type instanceof GenericArrayType) return array(value, ((GenericArrayType) type).getGenericComponentType(), known);
        Type[] arguments = {};
        Class<?> raw;
        if (type instanceof ParameterizedType) {
            raw = (Class<?>) ((ParameterizedType) type).getRawType();
            arguments = ((ParameterizedType) type).getActualTypeArguments();
        } else {
            raw = (Class<?>) type;
        }
        if (raw == Optional.class) return Optional.ofNullable(convert(value, argument(arguments, 0), known));
        if (value == null) return raw.isPrimitive() ? Array.get(Array.newInstance(raw, 1), 0) : null;
        if (raw == Object.class) return value;
        if (raw == byte[].class && value instanceof String) return Base64.getDecoder().decode((String) value);
        if (raw == ByteBuffer.class) return ByteBuffer.wrap(Base64.getDecoder().decode((String) value));
        if (raw.isArray()) return array(value, raw.getComponentType(), known);
        if (Map.class.isAssignableFrom(raw)) return map((Map<?, ?>) value, raw, arguments, known);
        if (Collection.class.isAssignableFrom(raw) || raw == Iterable.class) return collection((List<?>) value, raw, arguments, known);
        if (value instanceof Map) {
            Map<TypeVariable<?>, Type> inner = new HashMap<>(known);
            TypeVariable<?>[] parameters = raw.getTypeParameters();
            for (int i = 0; i < arguments.length; i++) {
                // In terms of what is known outside.
                inner.put(parameters[i], arguments[i] instanceof TypeVariable ? known.getOrDefault(arguments[i], Object.class) : arguments[i]);
            }
            return object((Map<?, ?>) value, raw, inner);
        }
        return scalar(value, raw);
    }

    private static Type argument(Type[] arguments, int index) {
        return index < arguments.length ? arguments[index] : Object.class;
    }

    private static Object array(Object value, Type component, Map<TypeVariable<?>, Type> known) throws ReflectiveOperationException {
        List<?> list = (List<?>) value;
        Class<?> raw = component instanceof Class ? (Class<?>) component : component instanceof ParameterizedType ? (Class<?>) ((ParameterizedType) component).getRawType() : Object.class;
        Object array = Array.newInstance(raw, list.size());
        for (int i = 0; i < list.size(); i++) Array.set(array, i, convert(list.get(i), component, known));
        return array;
    }

    @SuppressWarnings("unchecked")
    private static Object collection(List<?> list, Class<?> raw, Type[] arguments, Map<TypeVariable<?>, Type> known) throws ReflectiveOperationException {
        Collection<Object> made;
        if (!raw.isInterface() && !Modifier.isAbstract(raw.getModifiers())) made = (Collection<Object>) raw.getConstructor().newInstance();
        else if (raw.isAssignableFrom(ArrayList.class)) made = new ArrayList<>();
        else if (Set.class.isAssignableFrom(raw)) made = raw.isAssignableFrom(LinkedHashSet.class) ? new LinkedHashSet<>() : new java.util.TreeSet<>();
        else made = (Collection<Object>) (Collection<?>) new java.util.ArrayDeque<>();
        for (Object item : list) made.add(convert(item, argument(arguments, 0), known));
        return made;
    }

    @SuppressWarnings("unchecked")
    private static Object map(Map<?, ?> from, Class<?> raw, Type[] arguments, Map<TypeVariable<?>, Type> known) throws ReflectiveOperationException {
        Map<Object, Object> made;
        if (raw.isAssignableFrom(LinkedHashMap.class)) made = new LinkedHashMap<>();
        else if (raw.isInterface()) made = raw.isAssignableFrom(TreeMap.class) ? new TreeMap<>() : new java.util.concurrent.ConcurrentHashMap<>();
        else made = (Map<Object, Object>) raw.getConstructor().newInstance();
        for (Map.Entry<?, ?> entry : from.entrySet()) {
            made.put(convert(entry.getKey(), argument(arguments, 0), known), convert(entry.getValue(), argument(arguments, 1), known));
        }
        return made;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object scalar(Object value, Class<?> raw) throws ReflectiveOperationException {
        String text = value.toString();
        if (raw == String.class || raw == CharSequence.class) return text;
        if (raw == boolean.class || raw == Boolean.class) {
            if (value instanceof Boolean) return value;
            if (text.equalsIgnoreCase("true") || text.equalsIgnoreCase("false")) return Boolean.valueOf(text);
        } else if (raw == char.class || raw == Character.class) {
            if (text.length() == 1) return text.charAt(0);
        } else if (raw == int.class || raw == Integer.class) return number(text).intValue();
        else if (raw == long.class || raw == Long.class) return number(text).longValue();
        else if (raw == double.class || raw == Double.class) return Double.valueOf(text);
        else if (raw == float.class || raw == Float.class) return Float.valueOf(text);
        else if (raw == short.class || raw == Short.class) return number(text).shortValue();
        else if (raw == byte.class || raw == Byte.class) return number(text).byteValue();
        else if (raw == BigInteger.class) return number(text).toBigInteger();
        else if (raw == BigDecimal.class || raw == Number.class) return raw == Number.class && value instanceof Number ? value : number(text);
        else if (raw.isEnum()) return Enum.valueOf((Class<Enum>) raw, text);
        else if (raw == Date.class) return value instanceof Number ? new Date(millis(number(text))) : Date.from(java.time.OffsetDateTime.parse(text).toInstant());
        else {
            // Times and other values have their own way to read a text.
            for (Class<?> parameter : new Class<?>[] {CharSequence.class, String.class}) {
                for (String name : new String[] {"parse", "fromString", "valueOf", "of", "create"}) {
                    try {
                        Method method = raw.getMethod(name, parameter);
                        if (Modifier.isStatic(method.getModifiers()) && raw.isAssignableFrom(method.getReturnType())) return method.invoke(null, text);
                    } catch (NoSuchMethodException ignored) {
                        // Then another one.
                    }
                }
            }
            try {
                return raw.getConstructor(String.class).newInstance(text);
            } catch (NoSuchMethodException ignored) {
                // It is told below.
            }
        }
        throw new IllegalArgumentException("Cannot make a value of type " + raw.getName() + " from " + text);
    }

    private static BigDecimal number(String text) {
        return new BigDecimal(text.trim());
    }

    /** Events of streams have seconds with a fraction, others milliseconds. */
    private static long millis(BigDecimal number) {
        return number.abs().compareTo(BigDecimal.valueOf(100_000_000_000L)) < 0 ? number.movePointRight(3).longValue() : number.longValue();
    }

    private static Object object(Map<?, ?> values, Class<?> raw, Map<TypeVariable<?>, Type> known) throws ReflectiveOperationException {
        if (raw.isInterface() || Modifier.isAbstract(raw.getModifiers())) throw new IllegalArgumentException("Cannot make an object of the abstract type " + raw.getName());
        Method[] components = components(raw);
        if (components != null) return record(values, raw, components, known);
        Object made = make(raw);
        Map<String, AccessibleObject> places = places(raw);
        for (Map.Entry<?, ?> entry : values.entrySet()) {
            AccessibleObject place = places.get(entry.getKey().toString());
            if (place == null) place = places.get(entry.getKey().toString().toLowerCase());
            if (place instanceof Method) {
                Method setter = (Method) place;
                setter.invoke(made, convert(entry.getValue(), setter.getGenericParameterTypes()[0], known));
            } else if (place instanceof Field) {
                Field field = (Field) place;
                field.set(made, convert(entry.getValue(), field.getGenericType(), known));
            }
        }
        return made;
    }

    /** Without a constructor that takes nothing, an object is made as deserialization makes it. */
    private static Object make(Class<?> raw) throws ReflectiveOperationException {
        Constructor<?> constructor;
        try {
            constructor = raw.getDeclaredConstructor();
        } catch (NoSuchMethodException none) {
            constructor = sun.reflect.ReflectionFactory.getReflectionFactory().newConstructorForSerialization(raw, Object.class.getConstructor());
        }
        constructor.setAccessible(true);
        return constructor.newInstance();
    }

    private static final Map<Class<?>, Map<String, AccessibleObject>> PLACES = new HashMap<>();

    /** Where values go, by name and by name in lower case: setters before fields. */
    private static synchronized Map<String, AccessibleObject> places(Class<?> raw) {
        Map<String, AccessibleObject> places = PLACES.get(raw);
        if (places != null) return places;
        places = new HashMap<>();
        for (Method method : raw.getMethods()) {
            boolean sets = method.getName().startsWith("set") && method.getName().length() > 3 && method.getParameterCount() == 1;
            if (sets && !Modifier.isStatic(method.getModifiers()) && !method.isBridge()) {
                method.setAccessible(true);
                places.put(property(method.getName().substring(3)), method);
            }
        }
        boolean hasConstructor = true;
        try {
            raw.getDeclaredConstructor();
        } catch (NoSuchMethodException none) {
            hasConstructor = false;
        }
        for (Class<?> at = raw; at != null && at != Object.class; at = at.getSuperclass()) {
            for (Field field : at.getDeclaredFields()) {
                int modifiers = field.getModifiers();
                if (Modifier.isStatic(modifiers) || (hasConstructor && !Modifier.isPublic(modifiers)) || places.containsKey(field.getName())) continue;
                field.setAccessible(true);
                places.put(field.getName(), field);
            }
        }
        for (Map.Entry<String, AccessibleObject> entry : new ArrayList<>(places.entrySet())) places.putIfAbsent(entry.getKey().toLowerCase(), entry.getValue());
        PLACES.put(raw, places);
        return places;
    }

    /** `StatusCode` is `statusCode`, `URL` is `url`, `SMode` is `smode`. */
    private static String property(String name) {
        StringBuilder made = new StringBuilder(name);
        for (int i = 0; i < made.length() && Character.isUpperCase(made.charAt(i)); i++) made.setCharAt(i, Character.toLowerCase(made.charAt(i)));
        return made.toString();
    }

    // --- Records, which Java 8 does not know ---

    /** The accessors of a record in the order of its components; null for any other class. */
    private static Method[] components(Class<?> raw) throws ReflectiveOperationException {
        if (raw.getSuperclass() == null || !raw.getSuperclass().getName().equals("java.lang.Record")) return null;
        Object[] components = (Object[]) Class.class.getMethod("getRecordComponents").invoke(raw);
        Method[] accessors = new Method[components.length];
        for (int i = 0; i < components.length; i++) {
            accessors[i] = (Method) components[i].getClass().getMethod("getAccessor").invoke(components[i]);
            accessors[i].setAccessible(true);
        }
        return accessors;
    }

    private static Object record(Map<?, ?> values, Class<?> raw, Method[] components, Map<TypeVariable<?>, Type> known) throws ReflectiveOperationException {
        Class<?>[] types = new Class<?>[components.length];
        Object[] arguments = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            types[i] = components[i].getReturnType();
            arguments[i] = convert(values.get(components[i].getName()), components[i].getGenericReturnType(), known);
        }
        Constructor<?> constructor = raw.getDeclaredConstructor(types);
        constructor.setAccessible(true);
        return constructor.newInstance(arguments);
    }

    // --- The handler's own types ---

    /** What a type of a method means for the class that has the method from `declaring`: `I` of an abstract handler, say. */
    static Type resolve(Type type, Class<?> of, Class<?> declaring) {
        if (!(type instanceof TypeVariable)) return type;
        Map<TypeVariable<?>, Type> known = new HashMap<>();
        for (Class<?> at = of; at != null && at != declaring; at = at.getSuperclass()) {
            if (at.getGenericSuperclass() instanceof ParameterizedType) {
                Type[] arguments = ((ParameterizedType) at.getGenericSuperclass()).getActualTypeArguments();
                TypeVariable<?>[] parameters = at.getSuperclass().getTypeParameters();
                for (int i = 0; i < arguments.length; i++) {
                    known.put(parameters[i], arguments[i] instanceof TypeVariable ? known.getOrDefault(arguments[i], Object.class) : arguments[i]);
                }
            }
        }
        return known.getOrDefault(type, Object.class);
    }

    // --- To JSON ---

    /** A value as maps, lists and texts. */
    static Object simplify(Object value) {
        Class<?> raw = value.getClass();
        if (value instanceof byte[]) return Base64.getEncoder().encodeToString((byte[]) value);
        if (value instanceof ByteBuffer) {
            ByteBuffer copy = ((ByteBuffer) value).duplicate();
            byte[] bytes = new byte[copy.remaining()];
            copy.get(bytes);
            return Base64.getEncoder().encodeToString(bytes);
        }
        if (raw.isArray()) {
            List<Object> list = new ArrayList<>();
            for (int i = 0; i < Array.getLength(value); i++) list.add(Array.get(value, i));
            return list;
        }
        if (value instanceof Enum) return ((Enum<?>) value).name();
        if (value instanceof Optional) return ((Optional<?>) value).orElse(null);
        if (value instanceof Date) return ((Date) value).getTime();
        if (raw.getName().startsWith("java.") || raw.getName().startsWith("org.joda.time.")) return value.toString();
        try {
            return properties(value, raw);
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException("Cannot read an object of type " + raw.getName(), error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException("Cannot read an object of type " + raw.getName(), error);
        }
    }

    private static Map<String, Object> properties(Object value, Class<?> raw) throws ReflectiveOperationException {
        Map<String, Object> map = new LinkedHashMap<>();
        Method[] components = components(raw);
        if (components != null) {
            for (Method component : components) map.put(component.getName(), component.invoke(value));
            return map;
        }
        Map<String, Method> getters = new TreeMap<>();
        for (Method method : raw.getMethods()) {
            String name = method.getName();
            int prefix = name.startsWith("get") ? 3 : name.startsWith("is") && (method.getReturnType() == boolean.class || method.getReturnType() == Boolean.class) ? 2 : 0;
            boolean own = method.getDeclaringClass() != Object.class && !Modifier.isStatic(method.getModifiers()) && !method.isBridge();
            if (prefix > 0 && name.length() > prefix && method.getParameterCount() == 0 && method.getReturnType() != void.class && own) {
                getters.put(property(name.substring(prefix)), method);
            }
        }
        // In the order in which the class has its fields; getters without one at the end.
        List<Class<?>> classes = new ArrayList<>();
        for (Class<?> at = raw; at != null && at != Object.class; at = at.getSuperclass()) classes.add(0, at);
        for (Class<?> at : classes) {
            for (Field field : at.getDeclaredFields()) {
                Method getter = getters.remove(field.getName());
                boolean shown = Modifier.isPublic(field.getModifiers()) && !Modifier.isStatic(field.getModifiers());
                if (getter != null) {
                    getter.setAccessible(true);
                    map.put(field.getName(), getter.invoke(value));
                } else if (shown) {
                    field.setAccessible(true);
                    map.put(field.getName(), field.get(value));
                }
            }
        }
        for (Map.Entry<String, Method> getter : getters.entrySet()) {
            getter.getValue().setAccessible(true);
            map.put(getter.getKey(), getter.getValue().invoke(value));
        }
        return map;
    }
}
