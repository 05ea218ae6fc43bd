# What `cmake --install` lays down: libraries, headers, programs, and the package that find_package(Tessera) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Headers keep their place in the tree ("engine/core/tensor.h"), below a folder of their own.
set(include_dir ${CMAKE_INSTALL_INCLUDEDIR}/tessera)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tessera)

foreach(storey kernels engine models)
  set_target_properties(tessera_${storey} PROPERTIES EXPORT_NAME ${storey})
  target_compile_features(tessera_${storey} PUBLIC cxx_std_20)
  target_include_directories(tessera_${storey} PUBLIC $<INSTALL_INTERFACE:${include_dir}>
                                                      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)  # <tessera/tessera.h>
  # With BUILD_SHARED_LIBS: found beside one another wherever the whole installation is moved.
  set_target_properties(tessera_${storey} PROPERTIES INSTALL_RPATH $ORIGIN VERSION ${PROJECT_VERSION}
                        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} DEFINE_SYMBOL "")
endforeach()
install(TARGETS tessera_kernels tessera_engine tessera_models EXPORT TesseraTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(kind ${TESSERA_MPI_FOUND})  # cmake --install BUILD --component mpi: else a package would ask for every MPI
  install(TARGETS tessera_mpi_${kind} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT mpi EXCLUDE_FROM_ALL)
endforeach()

file(GLOB kernel_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.h ${PROJECT_SOURCE_DIR}/kernels/*.def)  # the contract; a backend's own headers stay here
file(GLOB model_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/models/*.h)
install(FILES ${kernel_headers} DESTINATION ${include_dir}/kernels)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine DESTINATION ${include_dir} FILES_MATCHING PATTERN "*.h")
install(FILES ${model_headers} DESTINATION ${include_dir}/models)
install(FILES ${PROJECT_SOURCE_DIR}/tessera/tessera.h DESTINATION ${include_dir})

if(TESSERA_C_API)
  set_target_properties(tessera_c PROPERTIES INSTALL_RPATH $ORIGIN)
  install(TARGETS tessera_c EXPORT TesseraTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/tessera/tessera_c.h DESTINATION ${include_dir})
endif()
if(TESSERA_APPS AND CLI11_FOUND)
  # The other names are words that shells and other programs own: `tessera export`, not `export`.
  set_target_properties(tessera PROPERTIES INSTALL_RPATH $ORIGIN/../${CMAKE_INSTALL_LIBDIR})
  install(TARGETS tessera RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  get_target_property(trainings tessera TESSERA_TRAININGS)
  list(TRANSFORM trainings PREPEND $<TARGET_FILE_DIR:tessera>/)
  install(FILES ${trainings} DESTINATION ${CMAKE_INSTALL_BINDIR})  # links

  # Man pages and completion are made from what the programs say of themselves, when they are installed.
  find_program(TESSERA_PYTHON python3)
  if(TESSERA_PYTHON AND NOT CMAKE_CROSSCOMPILING)
    set(manual ${PROJECT_BINARY_DIR}/manual)
    install(CODE "
      file(REMOVE_RECURSE \"${manual}\")
      execute_process(COMMAND \"${TESSERA_PYTHON}\" \"${PROJECT_SOURCE_DIR}/scripts/make-manual\"
                              \"$<TARGET_FILE_DIR:tessera>\" \"${manual}\" RESULT_VARIABLE result)
      if(result)
        message(FATAL_ERROR \"scripts/make-manual failed\")
      endif()")
    install(DIRECTORY ${manual}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
    install(DIRECTORY ${manual}/bash/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(DIRECTORY ${manual}/zsh/ DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  endif()
endif()

install(EXPORT TesseraTargets NAMESPACE Tessera:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/scripts/cmake/TesseraConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/TesseraConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TesseraConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/TesseraConfig.cmake ${PROJECT_BINARY_DIR}/TesseraConfigVersion.cmake
        DESTINATION ${package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(PROJECT_IS_TOP_LEVEL)
  include(scripts/cmake/package.cmake)
endif()
